#include "tools/syncctl/json.h"

#include "gateway/json/transcode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { JSON_BYTES_MAX = 256 << 20, FILE_BYTES_MAX = 4 << 20 };

void print_json(struct session *session, const ProtobufCMessage *message)
{
    struct json_writer writer = { .size_max = JSON_BYTES_MAX };

    (void)session;
    json_begin_object(&writer);
    transcode_write_members(&writer, message, NULL);
    json_end_object(&writer);
    if (writer.failed)
        fputs("syncctl: the answer is too large to print\n", stderr);
    else
        printf("%.*s\n", (int)writer.size, writer.text);
    json_writer_free(&writer);
}

static bool read_file(struct session *session, const char *path, struct bytes *text)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *content;
    size_t size;
    bool failed;

    if (file == NULL) {
        session_wrong_use("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    content = session_alloc(session, FILE_BYTES_MAX);
    size = fread(content, 1, FILE_BYTES_MAX, file);
    failed = ferror(file) || size == FILE_BYTES_MAX;
    if (file != stdin)
        fclose(file);
    if (failed)
        session_wrong_use("%s cannot be read, or is larger than %d bytes", path, FILE_BYTES_MAX);
    *text = bytes_of(content, size);
    return !failed;
}

bool read_json(struct session *session, const char *path, ProtobufCMessage *request)
{
    static const char members[] = "name type priority data options schedule onDuplicate requestId";
    struct why why = { .text = "" };
    struct bytes text;

    if (!read_file(session, path, &text))
        return false;
    if (transcode_read(text, members, request, session->mem, &why) == OK)
        return true;
    session_wrong_use("%s: %s%s%s", path, why.field, why.field[0] != '\0' ? ": " : "", why.text);
    return false;
}
