// os/symbol.c - see symbol.h. A file's symbol table, if it was not stripped, knows more functions than the dynamic linker does.
#define _GNU_SOURCE 1
#include "os/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_TOLD = 180 }; // of a long name, so that there is room for the rest

struct symbol {
    char name[1024];
    uintptr_t offset; // from the symbol to the address
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Looks through one symbol table of a file that is mapped at `file`; `at` is an address as the file counts them.
static bool symbol_search(const char *file, size_t size, const ElfW(Shdr) *table, const ElfW(Shdr) *names, uintptr_t at,
                          struct symbol *found)
{
    if (table->sh_offset > size || table->sh_size > size - table->sh_offset || names->sh_offset > size ||
        names->sh_size > size - names->sh_offset)
        return false;
    const ElfW(Sym) *symbols = (const ElfW(Sym) *)(const void *)(file + table->sh_offset);
    for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
        const ElfW(Sym) *symbol = &symbols[i];
        if ((symbol->st_info & 0xf) != STT_FUNC || at < symbol->st_value || at >= symbol->st_value + (symbol->st_size ? symbol->st_size : 1) ||
            symbol->st_name >= names->sh_size)
            continue;
        snprintf(found->name, sizeof found->name, "%s", file + names->sh_offset + symbol->st_name);
        found->offset = at - symbol->st_value;
        return true;
    }
    return false;
}

static bool symbol_in_file(const char *file, size_t size, uintptr_t at, struct symbol *found)
{
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)(const void *)file;
    if (size < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_shentsize != sizeof(ElfW(Shdr)) ||
        head->e_shoff > size || head->e_shnum * sizeof(ElfW(Shdr)) > size - head->e_shoff)
        return false;
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(const void *)(file + head->e_shoff);
    for (unsigned i = 0; i < head->e_shnum; i++)
        if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < head->e_shnum &&
            symbol_search(file, size, &sections[i], &sections[sections[i].sh_link], at, found))
            return true;
    return false;
}

static bool symbol_in_path(const char *path, uintptr_t at, struct symbol *found)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool has_found = false;
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0) {
        size_t size = (size_t)status.st_size;
        char *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            has_found = symbol_in_file(file, size, at, found);
            munmap(file, size);
        }
    }
    if (fd >= 0)
        close(fd);
    return has_found;
}

// Swift's names are told as they stand in the source, if its runtime is there to say so.
static void symbol_demangle(struct symbol *found)
{
    char *(*demangle)(const char *name, size_t length, char *buffer, size_t *size, uint32_t flags) =
        (char *(*)(const char *, size_t, char *, size_t *, uint32_t))dlsym(RTLD_DEFAULT, "swift_demangle");
    bool is_swift = strncmp(found->name, "$s", 2) == 0;
    char *plain = demangle && is_swift ? demangle(found->name, strlen(found->name), NULL, NULL, 0) : NULL;
    if (plain)
        snprintf(found->name, sizeof found->name, "%s", plain);
    free(plain);
}

void apus__symbol(uintptr_t pc, bool has_time, char *buffer, size_t size)
{
    struct dl_find_object object;
    struct symbol found;
    Dl_info info;
    if (_dl_find_object((void *)pc, &object) != 0) {
        snprintf(buffer, size, "?");
        return;
    }
    uintptr_t base = object.dlfo_link_map->l_addr;
    char own[256];
    const char *path = object.dlfo_link_map->l_name;
    if (!path || !path[0]) { // the program itself
        ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
        own[length > 0 ? length : 0] = 0;
        path = own;
    }
    bool is_found = has_time && symbol_in_path(path, pc - base, &found);
    if (!is_found && has_time && dladdr((void *)pc, &info) && info.dli_sname) {
        snprintf(found.name, sizeof found.name, "%s", info.dli_sname);
        found.offset = pc - (uintptr_t)info.dli_saddr;
        is_found = true;
    }
    if (!is_found) {
        snprintf(buffer, size, "%s+%#zx", base_name(path), (size_t)(pc - base));
        return;
    }
    symbol_demangle(&found);
    snprintf(buffer, size, "%.*s+%#zx (%s)", NAME_TOLD, found.name, (size_t)found.offset, base_name(path));
}
