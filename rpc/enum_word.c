#include "rpc/enum_word.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Words of several parts are joined in camel case, but for these enums. */
static const char *const underscored[] = { "sync.v1.WaitReason", "sync.v1.FailureClass" };

static bool is_underscored(const ProtobufCEnumDescriptor *type)
{
    for (size_t i = 0; i < sizeof underscored / sizeof underscored[0]; i++)
        if (strcmp(type->name, underscored[i]) == 0)
            return true;
    return false;
}

/* Behind the prefix that the enum's name makes: JobStatus gives JOB_STATUS_. */
static const char *without_prefix(const ProtobufCEnumDescriptor *type, const char *name)
{
    const char *rest = name;

    for (const char *c = type->short_name; *c != '\0'; c++) {
        if (isupper((unsigned char)*c) && c != type->short_name && *rest++ != '_')
            return name;
        if (*rest++ != toupper((unsigned char)*c))
            return name;
    }
    return *rest == '_' ? rest + 1 : name;
}

static void to_word(const ProtobufCEnumDescriptor *type, const char *name, char *word)
{
    bool keep = is_underscored(type), raise = false;
    size_t size = 0;

    for (const char *c = without_prefix(type, name); *c != '\0' && size + 1 < ENUM_WORD_MAX; c++) {
        if (*c == '_' && !keep) {
            raise = true;
            continue;
        }
        word[size++] = (char)(raise ? toupper((unsigned char)*c) : tolower((unsigned char)*c));
        raise = false;
    }
    word[size] = '\0';
}

bool enum_word_write(const ProtobufCEnumDescriptor *type, int32_t value, char word[ENUM_WORD_MAX])
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);

    if (value == 0 || found == NULL)
        return false;
    to_word(type, found->name, word);
    return true;
}

bool enum_word_read(const ProtobufCEnumDescriptor *type, const char *word, int32_t *value)
{
    char candidate[ENUM_WORD_MAX];

    for (unsigned i = 0; i < type->n_values; i++) {
        if (!enum_word_write(type, type->values[i].value, candidate))
            continue;
        if (strcmp(candidate, word) == 0) {
            *value = type->values[i].value;
            return true;
        }
    }
    return false;
}

void enum_word_list(const ProtobufCEnumDescriptor *type, char *list, size_t size)
{
    char word[ENUM_WORD_MAX];
    size_t used = 0;

    list[0] = '\0';
    for (unsigned i = 0; i < type->n_values && used < size; i++)
        if (enum_word_write(type, type->values[i].value, word))
            used += (size_t)snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", word);
}
