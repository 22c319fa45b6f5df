#include "core/limits.h"
#include "gateway/json/field.h"
#include "rpc/channel.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/services.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* A script of calls, over the channel into the same process, to every method
 * of every service: whose request, packed or made along its descriptor, and
 * what else happens meanwhile. Afterwards every call is over, and the queue and
 * its store are sound. */

enum { CALLS_MAX = 24, LEARNT_MESSAGES = 4, MEM_MAX = 32 << 20, WORD_SIZE_MAX = 64 };

struct call {
    struct client_call call;
    const struct rpc_method *method;
    char path[128];
    unsigned messages;
    bool done;
    struct script *script;
};

struct script {
    struct services services;
    struct channel *channel;
    struct bytes input;
    struct arena *mem;
    struct message_words words;
    struct call calls[CALLS_MAX];
    size_t call_count;
};

/* ---- What comes back. ---- */

static void learn(struct script *script, const char *field, const char *text)
{
    struct message_words *words = &script->words;

    if (words->count < MESSAGE_WORDS_MAX && text[0] != '\0' && strlen(text) <= WORD_SIZE_MAX)
        words->words[words->count++] =
            (struct message_word){ field, arena_text(script->mem, text) };
}

static void learn_text(struct script *script, const char *field, const char *text)
{
    if (strcmp(field, "next_page_token") == 0)
        learn(script, "page_token", text);
    if (strncmp(text, "job_", 4) != 0)
        return;
    learn(script, "id", text);
    learn(script, "job_id", text);
}

/* Ids and page tokens are asked for again. */
static void learn_from(struct script *script, const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        size_t count = field_count(message, field);

        for (size_t k = 0; k < count; k++) {
            const void *value = field_value(message, field, k);

            if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(void *const *)value != NULL)
                learn_from(script, *(const ProtobufCMessage *const *)value);
            else if (field->type == PROTOBUF_C_TYPE_STRING)
                learn_text(script, field->name, *(const char *const *)value);
        }
    }
}

static void on_message(struct client_call *client, const ProtobufCMessage *message)
{
    struct call *call = container_of(client, struct call, call);

    assert(!call->done && message->descriptor == call->method->response);
    assert(protobuf_c_message_check(message));
    if (call->messages++ < LEARNT_MESSAGES)
        learn_from(call->script, message);
}

static void on_done(struct client_call *client, const struct rpc_status *status)
{
    struct call *call = container_of(client, struct call, call);

    assert(!call->done);
    assert((unsigned)status->code < RPC_CODE_COUNT);
    assert(status->code == RPC_OK || status->message[0] != '\0');
    assert(status->code != RPC_INTERNAL && status->code != RPC_DATA_LOSS);
    if (status->code == RPC_OK && call->method->kind == RPC_UNARY)
        assert(call->messages == 1);
    call->done = true;
}

/* ---- What is asked. ---- */

/* Packed as it lies in the input, or made; NULL: it does not parse. */
static const ProtobufCMessage *read_message(struct script *script,
                                            const ProtobufCMessageDescriptor *type)
{
    uint8_t how = input_byte(&script->input);
    size_t size = how < 0x80 ? (size_t)input_number(&script->input, 2) : how - 0x80u;
    struct bytes bytes = input_bytes(&script->input, size);

    return how < 0x80 ? message_unpack(type, bytes, script->mem)
                      : message_make(type, &script->words, &bytes, script->mem);
}

/* Mostly the same one; or none, which the request may name itself. */
static const struct client_metadata orgs[] = {
    { "orgid", { (const uint8_t *)"acme", 4 } },
    { "orgid", { (const uint8_t *)"globex", 6 } },
};
enum { ORG_CHOICES = 4, GLOBEX = 1, NO_ORG = 2 };

static void start_call(struct script *script, size_t index)
{
    struct call *call = &script->calls[script->call_count];
    uint8_t how = input_byte(&script->input), org = how / 2 % ORG_CHOICES;
    const struct rpc_service *service;
    bool streaming;

    call->method =
        services_method(&script->services, index % services_method_count(&script->services),
                        &service);
    snprintf(call->path, sizeof call->path, "/%s/%s", service->name, call->method->name);
    streaming = call->method->kind == RPC_CLIENT_STREAM || call->method->kind == RPC_BIDI;
    call->script = script;
    call->call = (struct client_call){
        .path = call->path,
        .response = call->method->response,
        .request = read_message(script, call->method->request),
        .streaming_request = streaming,
        .metadata = &orgs[org == GLOBEX],
        .metadata_count = org != NO_ORG,
        .on_message = on_message,
        .on_done = on_done,
    };
    if (call->call.request == NULL && !streaming)
        return;
    script->call_count++;
    client_call_start(script->channel, &call->call);
    if (how % 2 == 0)
        services_settle(&script->services);
}

/* One of the streams that are open; NULL: there is none. */
static struct call *choose_stream(struct script *script)
{
    uint8_t choice = input_byte(&script->input);

    for (size_t i = 0; i < script->call_count; i++) {
        struct call *call = &script->calls[(choice + i) % script->call_count];

        if (!call->done && call->method->kind != RPC_UNARY)
            return call;
    }
    return NULL;
}

static void send_message(struct script *script, struct call *call)
{
    const ProtobufCMessage *message = read_message(script, call->method->request);

    if (message != NULL && call->call.streaming_request)
        client_call_send(&call->call, message);
}

enum { FIRST_STREAM_STEP = 0xe0, FIRST_PASSING = 0xf8, STEP_MS = 50 };

static void step_stream(struct script *script, uint8_t step)
{
    struct call *call = choose_stream(script);

    if (call == NULL)
        return;
    if (step < 0xec)
        send_message(script, call);
    else if (step < 0xef)
        client_call_half_close(&call->call);
    else if (step < 0xf2)
        client_call_cancel(&call->call);
    else if (step < 0xf5)
        client_call_pause_reading(&call->call);
    else
        client_call_resume_reading(&call->call);
    services_settle(&script->services);
}

static void run_script(struct script *script)
{
    while (script->input.size > 0 && script->call_count < CALLS_MAX) {
        uint8_t step = input_byte(&script->input);

        if (step < FIRST_STREAM_STEP)
            start_call(script, step);
        else if (step < FIRST_PASSING)
            step_stream(script, step);
        else
            services_pass(&script->services, (int64_t)input_number(&script->input, 2) * STEP_MS);
    }
}

static void end_script(struct script *script)
{
    services_settle(&script->services);
    for (size_t i = 0; i < script->call_count; i++)
        if (!script->calls[i].done && script->calls[i].method->kind != RPC_UNARY)
            client_call_cancel(&script->calls[i].call);
    services_pass(&script->services, WAIT_MS_MAX + 1000);
    for (size_t i = 0; i < script->call_count; i++)
        assert(script->calls[i].done);
    assert(channel_is_quiet(script->channel));
    channel_close(script->channel);
    services_free(&script->services);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script *script = calloc(1, sizeof *script);
    enum err e;

    script->input = bytes_of(data, size);
    script->mem = arena_new(MEM_MAX);
    script->words = services_words;
    services_init(&script->services);
    e = channel_open_local(script->services.loop, script->services.registry, &script->channel);
    assert(e == OK);
    run_script(script);
    end_script(script);
    arena_free(script->mem);
    free(script);
    return 0;
}
