// Goal:   exit reasons read as the public header says, fit any buffer, and are copied with their text cut at a character; every error
//         that a public header names has a meaning.
// Method: exact texts; every buffer size from none to more than enough; texts around the limit. The headers are read for names of
//         errors, so that a new one without a meaning fails here (skipped where the sources are not there).
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // strerrorname_np
#endif
#include "process/reason.h"

#include "test.h"

#include <apus/base.h>
#include <ctype.h>
#include <dirent.h>

static const char *text_of(apus_reason reason)
{
    static char buffer[1024];
    CHECK_EQ(apus_reason_text(&reason, buffer, sizeof buffer), strlen(buffer));
    return buffer;
}

TEST(words, "each kind of reason reads as the header says")
{
    CHECK_STR(text_of(apus_reason_of(APUS_REASON_NORMAL)), "normal");
    CHECK_STR(text_of(apus_reason_of(APUS_REASON_SHUTDOWN)), "shutdown");
    CHECK_STR(text_of((apus_reason){.kind = APUS_REASON_SHUTDOWN, .code = 3}), "shutdown(3)");
    CHECK_STR(text_of(apus_reason_of(APUS_REASON_KILL)), "kill");
    CHECK_STR(text_of(apus_reason_of(APUS_REASON_KILLED)), "killed");
    CHECK_STR(text_of(apus_reason_of(APUS_REASON_NOPROC)), "noproc");
    CHECK_STR(text_of(apus_reason_of(APUS_REASON_NOCONNECTION)), "noconnection");
    CHECK_STR(text_of(apus_reason_of(APUS_REASON_TIMEOUT)), "timeout");
    CHECK_STR(text_of(apus_reason_of((apus_reason_kind)77)), "reason 77");
    CHECK_STR(text_of((apus_reason){.kind = APUS_REASON_SHUTDOWN, .text = "by hand"}), "shutdown: by hand");
}

TEST(errors, "an error reads with its number, the system's words for an errno, and its text")
{
    CHECK_STR(text_of(apus_reason_error(-5, "disk gone")), "error -5 (Input/output error): disk gone");
    CHECK_STR(text_of(apus_reason_error(-5, NULL)), "error -5 (Input/output error)");
    CHECK_STR(text_of(apus_reason_error(42, "my own")), "error 42: my own");
    CHECK_STR(text_of(apus_reason_error(0, NULL)), "error 0");
    CHECK_STR(text_of(apus_reason_error(-99999, NULL)), "error -99999");
    CHECK_STR(text_of(apus_reason_error(INT32_MIN, "%s %n")), "error -2147483648: %s %n");
}

TEST(faults, "a fault reads with the name of its signal, the address and the instruction")
{
    apus_reason fault = {.kind = APUS_REASON_FAULT, .code = SIGSEGV, .address = 0x10, .pc = 0x55d2};
    CHECK_STR(text_of(fault), "fault: SIGSEGV at 0x10, pc 0x55d2");
    fault.code = SIGBUS;
    CHECK_STR(text_of(fault), "fault: SIGBUS at 0x10, pc 0x55d2");
    fault.code = SIGFPE;
    fault.text = "divide";
    CHECK_STR(text_of(fault), "fault: SIGFPE at 0x10, pc 0x55d2: divide");
    fault.code = 60;
    fault.text = NULL;
    fault.address = UINT64_MAX;
    CHECK_STR(text_of(fault), "fault: signal 60 at 0xffffffffffffffff, pc 0x55d2");
}

TEST(buffers, "a buffer of any size is terminated, holds the beginning, and the whole length is returned")
{
    const apus_reason reason = apus_reason_error(-5, "disk gone");
    const char *whole = "error -5 (Input/output error): disk gone";
    const size_t length = strlen(whole);
    CHECK_EQ(apus_reason_text(&reason, NULL, 0), length);
    for (size_t size = 1; size < length + 10; size++) {
        char *buffer = malloc(size);
        CHECK(buffer != NULL);
        memset(buffer, 'x', size);
        CHECK_EQ(apus_reason_text(&reason, buffer, size), length);
        size_t held = size - 1 < length ? size - 1 : length;
        CHECK_EQ(strlen(buffer), held);
        CHECK(memcmp(buffer, whole, held) == 0);
        free(buffer);
    }
}

// Stores a reason with `text` in exactly the bytes it asks for, and checks that `kept` bytes of the text are there.
static void check_stored(const char *text, size_t kept)
{
    apus_reason reason = apus_reason_error(-1, text);
    CHECK_EQ(apus__reason_text_size(&reason), kept + 1);
    CHECK_EQ(apus__reason_size(&reason), sizeof reason + kept + 1);
    char *area = malloc(kept + 1);
    CHECK(area != NULL);
    apus_reason stored = apus__reason_store(area, &reason);
    CHECK(stored.text == area);
    CHECK_EQ(strlen(area), kept);
    CHECK(memcmp(area, text, kept) == 0);
    CHECK_EQ(stored.kind, APUS_REASON_ERROR);
    CHECK_EQ(stored.code, -1);
    free(area);
}

TEST(stored, "a stored reason owns a copy of its text, cut at a character if it is too long")
{
    char text[400];
    check_stored("", 0);
    check_stored("short", 5);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    check_stored(text, APUS_REASON_TEXT_MAX);
    text[APUS_REASON_TEXT_MAX] = '\0';
    check_stored(text, APUS_REASON_TEXT_MAX);

    // A character of n bytes at every place around the limit: it stays whole or goes whole.
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa6"};
    for (size_t i = 0; i < 3; i++)
        for (size_t start = APUS_REASON_TEXT_MAX - 5; start <= APUS_REASON_TEXT_MAX; start++) {
            size_t bytes = strlen(characters[i]);
            memset(text, 'a', sizeof text);
            memcpy(text + start, characters[i], bytes);
            text[start + bytes + 10] = '\0';
            bool splits = start < APUS_REASON_TEXT_MAX && start + bytes > APUS_REASON_TEXT_MAX;
            check_stored(text, splits ? start : APUS_REASON_TEXT_MAX);
        }

    memset(text, 0x80, sizeof text - 1); // no UTF-8 at all
    check_stored(text, APUS_REASON_TEXT_MAX);
}

TEST(stored_nothing, "a reason without a text needs no room for one")
{
    apus_reason fault = {.kind = APUS_REASON_FAULT, .code = SIGSEGV, .address = 1, .pc = 2};
    CHECK_EQ(apus__reason_text_size(&fault), 0);
    CHECK_EQ(apus__reason_size(&fault), sizeof fault);
    apus_reason stored = apus__reason_store(NULL, &fault);
    CHECK(stored.text == NULL && stored.kind == APUS_REASON_FAULT && stored.code == SIGSEGV);
    CHECK(stored.address == 1 && stored.pc == 2);
}

TEST(strerror, "an error of Apus has a meaning with either sign, others are unknown")
{
    CHECK_STR(apus_strerror(-ESRCH), "no such process");
    CHECK_STR(apus_strerror(ESRCH), "no such process");
    CHECK_STR(apus_strerror(-ENOBUFS), "the mailbox is full");
    CHECK_STR(apus_strerror(0), "no error");
    CHECK_STR(apus_strerror(-EXDEV), "unknown error");
    CHECK_STR(apus_strerror(INT32_MIN), "unknown error");
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH);
    CHECK_STR(apus_version(), version);
}

// The number of an errno by its name; 0 if the C library has none.
static int errno_of(const char *name)
{
    for (int number = 1; number < 4096; number++) {
        const char *known = strerrorname_np(number);
        if (known && strcmp(known, name) == 0)
            return number;
    }
    return 0;
}

// Checks every "-ENAME" in one line of a header; returns how many there were.
static int check_line(const char *line)
{
    int found = 0;
    for (const char *at = line; (at = strstr(at, "-E"));) {
        char name[32] = "";
        size_t length = 0;
        for (at++; isupper((unsigned char)*at) && length < sizeof name - 1; at++)
            name[length++] = *at;
        if (length < 3 || islower((unsigned char)*at) || *at == '_')
            continue;
        found++;
        fprintf(stderr, "%s\n", name); // the last one printed is the culprit
        int number = errno_of(name);
        CHECK(number != 0);
        CHECK(strcmp(apus_strerror(number), "unknown error") != 0);
    }
    return found;
}

TEST(table, "every error that a public header names has a meaning")
{
    const char *folder = "CSources/include/apus";
    DIR *headers = opendir(folder);
    if (!headers)
        return;
    int found = 0;
    for (struct dirent *entry; (entry = readdir(headers));) {
        char path[512], line[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *header = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (header && fgets(line, sizeof line, header))
            found += check_line(line);
        if (header)
            fclose(header);
    }
    closedir(headers);
    CHECK(found > 20);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
