// otp/child_spec.h - child and supervisor specs as one block of memory each, so that they can be sent, kept and given back whole.
//
// Layout:     [apus_child_spec | apus_spawn_options | where the block lay] [argument] [id] [name] [label]
//             [apus_supervisor_spec | where the block lay] [name] [children, in a row] [each child's block ...]
//             Each part is 16-aligned. Pointers point into the block; a block that has been moved, by a send or a spawn, is put
//             right by rebasing: each such pointer is moved by the distance between where the block lay and where it lies.
// Borrowed:   behaviours, functions and the spec of a child supervisor are kept by address, as apus/supervisor.h says.
// Who:        any thread; pure but for the memory written.
#ifndef APUS_OTP_CHILD_SPEC_H
#define APUS_OTP_CHILD_SPEC_H

#include <apus/supervisor.h>

enum { APUS__SPEC_TEXT = 192 }; // bytes for a sentence on what is wrong

struct apus__child_block {
    apus_child_spec spec;
    apus_spawn_options options; // spec.options points here, whether or not options were given
    uintptr_t base;
    size_t size;
    bool has_options;
};

struct apus__supervisor_block {
    apus_supervisor_spec spec;
    uintptr_t base;
};

// Whether the spec can be packed at all: what it points to is there. Everything else is checked by the supervisor.
bool apus__child_spec_is_readable(const apus_child_spec *spec);

// Bytes of the block that a child spec packs into; and packing it. `block` is 16-aligned.
size_t apus__child_spec_size(const apus_child_spec *spec);
struct apus__child_block *apus__child_spec_pack(const apus_child_spec *spec, void *block);

// Puts a block right that has been moved to where it is now.
void apus__child_spec_rebase(struct apus__child_block *block);

// The same for a supervisor's spec with all its children.
bool apus__supervisor_spec_is_readable(const apus_supervisor_spec *spec);
size_t apus__supervisor_spec_size(const apus_supervisor_spec *spec);
void apus__supervisor_spec_pack(const apus_supervisor_spec *spec, void *block);
void apus__supervisor_spec_rebase(struct apus__supervisor_block *block);

// What the spec's argument, or a copy of it, owns has one more holder, or one less.
void apus__child_spec_keep(const apus_child_spec *spec, const void *argument, size_t size);
void apus__child_spec_forget(const apus_child_spec *spec, const void *argument, size_t size);

// 0, or -EINVAL with a sentence in `text` on what is wrong with the spec. For a child: under a supervisor with that spec.
int apus__supervisor_spec_check(const apus_supervisor_spec *spec, char text[APUS__SPEC_TEXT]);
int apus__child_spec_check(const apus_child_spec *spec, const apus_supervisor_spec *supervisor, char text[APUS__SPEC_TEXT]);

// What a child of a dynamic supervisor with this template becomes: where `spec` (may be NULL) says nothing, the template holds. The
// template's id is not taken over.
apus_child_spec apus__child_spec_merge(const apus_child_spec *template, const apus_child_spec *spec);

// Whether `spec` adds nothing to the template but its argument and id, so that the template's block can serve for the rest.
bool apus__child_spec_is_extra_only(const apus_child_spec *spec);

// How long the child may take to end, with the defaults filled in.
uint64_t apus__child_spec_shutdown_ms(const apus_child_spec *spec);

// A supervisor is a supervisor, whatever `kind` says.
static inline apus_child_kind apus__child_spec_kind(const apus_child_spec *spec)
{
    return spec->supervisor != NULL ? APUS_SUPERVISOR : spec->kind;
}

#endif
