#include "tests/fuzz/message.h"

#include "gateway/json/field.h"
#include "tests/fuzz/input.h"

enum { DEPTH_MAX = 6, ELEMENTS_MAX = 4, TEXT_MAX = 64 };

struct maker {
    const struct message_words *words;
    struct bytes *input;
    struct arena *mem;
    unsigned depth;
};

static ProtobufCMessage *make(struct maker *maker, const ProtobufCMessageDescriptor *type);

/* One of the field's words; NULL if it has none. */
static const char *find_word(const struct message_words *words, const char *field, size_t choice)
{
    size_t matching = 0;

    for (size_t i = 0; i < words->count; i++)
        matching += strcmp(words->words[i].field, field) == 0;
    if (matching == 0)
        return NULL;
    choice %= matching;
    for (size_t i = 0;; i++)
        if (strcmp(words->words[i].field, field) == 0 && choice-- == 0)
            return words->words[i].text;
}

static const char *make_text(struct maker *maker, const char *field)
{
    uint8_t choice = input_byte(maker->input);
    const char *word = choice >= TEXT_MAX ? find_word(maker->words, field, choice) : NULL;
    struct bytes text;

    if (word != NULL)
        return arena_text(maker->mem, word);
    text = input_bytes(maker->input, choice % TEXT_MAX);
    return arena_copy(maker->mem, text.data, text.size);
}

static ProtobufCBinaryData make_binary(struct maker *maker)
{
    struct bytes bytes = input_block(maker->input);

    return (ProtobufCBinaryData){ bytes.size, arena_copy(maker->mem, bytes.data, bytes.size) };
}

static int32_t make_enum(struct maker *maker, const ProtobufCEnumDescriptor *type)
{
    unsigned choice = input_byte(maker->input) % (type->n_values + 1);

    return choice < type->n_values ? type->values[choice].value : 99;
}

/* Small ones mostly. */
static uint64_t make_number(struct maker *maker)
{
    uint8_t size = input_byte(maker->input);

    return size >= 9 ? size - 9u : input_number(maker->input, size);
}

/* False: mem is full. */
static bool make_value(struct maker *maker, const ProtobufCFieldDescriptor *field, void *place)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return (*(ProtobufCMessage **)place = make(maker, field->descriptor)) != NULL;
    case PROTOBUF_C_TYPE_STRING:
        return (*(const char **)place = make_text(maker, field->name)) != NULL;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)place = make_binary(maker);
        return ((ProtobufCBinaryData *)place)->data != NULL;
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)place = make_enum(maker, field->descriptor);
        return true;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = input_byte(maker->input) % 2 != 0;
        return true;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)place = (double)make_number(maker) / 256;
        return true;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        *(uint32_t *)place = (uint32_t)make_number(maker);
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    default:
        *(uint64_t *)place = make_number(maker);
        return true;
    }
}

static bool make_array(struct maker *maker, const ProtobufCFieldDescriptor *field, size_t count,
                       ProtobufCMessage *message)
{
    size_t size = field_value_size(field);
    char *values = arena_alloc(maker->mem, count * size);

    for (size_t i = 0; values != NULL && i < count; i++)
        if (!make_value(maker, field, values + i * size))
            return false;
    field_set_array(message, field, values, count);
    return values != NULL;
}

/* One byte says whether it is there, and of how many elements. */
static bool make_field(struct maker *maker, const ProtobufCFieldDescriptor *field,
                       ProtobufCMessage *message)
{
    uint8_t choice = input_byte(maker->input);

    if (choice % 8 == 0 || (field->type == PROTOBUF_C_TYPE_MESSAGE && maker->depth == DEPTH_MAX))
        return true;
    if (field_is_repeated(field))
        return make_array(maker, field, 1 + choice / 8 % ELEMENTS_MAX, message);
    return make_value(maker, field, field_select(message, field));
}

static ProtobufCMessage *make(struct maker *maker, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = arena_alloc(maker->mem, type->sizeof_message);

    if (message == NULL)
        return NULL;
    protobuf_c_message_init(type, message);
    maker->depth++;
    for (unsigned i = 0; i < type->n_fields && maker->input->size > 0; i++)
        if (!make_field(maker, &type->fields[i], message))
            return NULL;
    maker->depth--;
    return message;
}

ProtobufCMessage *message_make(const ProtobufCMessageDescriptor *type,
                               const struct message_words *words, struct bytes *input,
                               struct arena *mem)
{
    struct maker maker = { words, input, mem, 0 };

    return make(&maker, type);
}

static void *allocate(void *mem, size_t size)
{
    return arena_alloc(mem, size);
}

static void leave(void *mem, void *memory)
{
    (void)mem;
    (void)memory;
}

ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, struct bytes packed,
                                 struct arena *mem)
{
    ProtobufCAllocator allocator = { allocate, leave, mem };
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &allocator, packed.size, packed.data);
    uint8_t *again =
        message != NULL ? arena_alloc(mem, protobuf_c_message_get_packed_size(message) + 1) : NULL;

    if (again == NULL)
        return NULL;
    /* It keeps fields numbered 0 as unknown ones, and cannot read what it makes of them. */
    return protobuf_c_message_unpack(type, &allocator, protobuf_c_message_pack(message, again),
                                     again);
}
