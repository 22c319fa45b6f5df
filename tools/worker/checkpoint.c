#include "tools/worker/checkpoint.h"

#include <stdlib.h>
#include <string.h>

enum { CHECKPOINT_VERSION = 1 };

static json_t *write_state(const struct entity_state *state)
{
    return json_pack("{s:I, s:s%, s:I, s:I, s:I}", "phase", (json_int_t)state->phase, "position",
                     state->position, state->position_size, "done", (json_int_t)state->done,
                     "deleted", (json_int_t)state->deleted, "rejected",
                     (json_int_t)state->rejected);
}

struct bytes checkpoint_write(uint32_t generation, const struct checkpoint_entity *entities,
                              size_t count)
{
    json_t *all = json_object();
    json_t *root = json_pack("{s:I, s:I, s:o}", "version", (json_int_t)CHECKPOINT_VERSION,
                             "generation", (json_int_t)generation, "entities", all);
    char *text;

    for (size_t i = 0; i < count; i++)
        json_object_set_new(all, entities[i].name, write_state(&entities[i].state));
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text != NULL && strlen(text) > CHECKPOINT_SIZE_MAX) {
        free(text);
        text = NULL;
    }
    return bytes_of_text(text);
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));

    return value > 0 ? (uint64_t)value : 0;
}

static void read_state(const json_t *object, struct entity_state *state)
{
    const json_t *position = json_object_get(object, "position");
    uint64_t phase = number_of(object, "phase");
    size_t size = json_string_length(position);

    if (size > POSITION_SIZE_MAX)
        return;
    *state = (struct entity_state){
        .phase = phase <= ENTITY_SWEPT ? (enum entity_phase)phase : ENTITY_READING,
        .done = number_of(object, "done"),
        .deleted = number_of(object, "deleted"),
        .rejected = number_of(object, "rejected"),
        .position_size = size,
    };
    if (size > 0)
        memcpy(state->position, json_string_value(position), size);
}

bool checkpoint_read(struct bytes text, uint32_t generation, const char *entity,
                     struct entity_state *state)
{
    const json_t *object;
    json_t *root;

    *state = (struct entity_state){ 0 };
    if (text.size == 0)
        return true;
    root = json_loadb((const char *)text.data, text.size, 0, NULL);
    if (number_of(root, "version") != CHECKPOINT_VERSION) {
        json_decref(root);
        return false;
    }
    object = json_object_get(json_object_get(root, "entities"), entity);
    if (object != NULL && number_of(root, "generation") == generation)
        read_state(object, state);
    json_decref(root);
    return true;
}
