#include "rpc/standard/reflection.h"

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/call.h"
#include "rpc/standard/descriptor_index.h"

#include <stdlib.h>

/* Both versions have the same messages on the wire, so v1alpha is served with
 * the types of v1. */

typedef Grpc__Reflection__V1__ServerReflectionRequest request_type;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_type;

struct rpc_reflection {
    struct rpc_service v1, v1alpha;
    const struct rpc_registry *registry;
    struct descriptor_index *index;
};

/* One stream of questions, in its call's arena: what was sent once is not sent
 * again. */
struct asking {
    const struct rpc_reflection *reflection;
    bool *sent;                 /* for each file */
    ProtobufCBinaryData *files; /* room for all of them */
};

static void answer_error(response_type *response, enum rpc_code code, const char *text,
                         Grpc__Reflection__V1__ErrorResponse *error)
{
    grpc__reflection__v1__error_response__init(error);
    error->error_code = (int32_t)code;
    error->error_message = (char *)(uintptr_t)text;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response->error_response = error;
}

/* The file itself always, what it imports unless it was sent before. */
static size_t gather_files(struct asking *asking, size_t file)
{
    const struct descriptor_index *index = asking->reflection->index;
    size_t count = 0, done = 0;
    size_t *queue = calloc(descriptor_index_file_count(index), sizeof *queue);

    if (queue == NULL)
        return 0;
    asking->sent[file] = true;
    queue[count++] = file;
    for (; done < count; done++) {
        struct bytes bytes = descriptor_index_file(index, queue[done])->bytes;
        int import;
        asking->files[done].data = (uint8_t *)(uintptr_t)bytes.data;
        asking->files[done].len = bytes.size;
        for (size_t nth = 0; (import = descriptor_index_import(index, queue[done], nth)) >= 0;
             nth++)
            if (!asking->sent[import]) {
                asking->sent[import] = true;
                queue[count++] = (size_t)import;
            }
    }
    free(queue);
    return count;
}

static void reply(struct rpc_call *call, const response_type *response)
{
    if (!call_send(call, &response->base))
        call_pause_reading(call);
}

static void answer_file(struct rpc_call *call, response_type *response, int file)
{
    Grpc__Reflection__V1__FileDescriptorResponse files =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error;
    struct asking *asking = call_tag(call);

    if (file < 0) {
        answer_error(response, RPC_NOT_FOUND, "there is no such file or symbol", &error);
    } else {
        files.n_file_descriptor_proto = gather_files(asking, (size_t)file);
        files.file_descriptor_proto = asking->files;
        response->message_response_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
        response->file_descriptor_response = &files;
    }
    reply(call, response);
}

/* The services, and a pointer to each, as protobuf-c wants a list. */
static void answer_services(struct rpc_call *call, response_type *response)
{
    const struct rpc_reflection *reflection = ((struct asking *)call_tag(call))->reflection;
    size_t count;
    const struct rpc_service *const *services = rpc_registry_services(reflection->registry, &count);
    Grpc__Reflection__V1__ServiceResponse *items = calloc(count + 1, sizeof *items);
    Grpc__Reflection__V1__ServiceResponse **pointers = calloc(count + 1, sizeof(void *));
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error;

    if (items != NULL && pointers != NULL) {
        for (size_t i = 0; i < count; i++) {
            grpc__reflection__v1__service_response__init(&items[i]);
            items[i].name = (char *)(uintptr_t)services[i]->name;
            pointers[i] = &items[i];
        }
        list.n_service = count;
        list.service = pointers;
        response->message_response_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
        response->list_services_response = &list;
    } else {
        answer_error(response, RPC_RESOURCE_EXHAUSTED, "out of memory", &error);
    }
    reply(call, response);
    free(items);
    free(pointers);
}

/* proto3 has no extensions, so a known type has none and any number is unknown. */
static void answer_extension_numbers(struct rpc_call *call, response_type *response, char *type)
{
    const struct rpc_reflection *reflection = ((struct asking *)call_tag(call))->reflection;
    Grpc__Reflection__V1__ExtensionNumberResponse numbers =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error;

    if (descriptor_index_find_symbol(reflection->index, bytes_of_text(type)) < 0) {
        answer_error(response, RPC_NOT_FOUND, "there is no such type", &error);
    } else {
        numbers.base_type_name = type;
        response->message_response_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
        response->all_extension_numbers_response = &numbers;
    }
    reply(call, response);
}

static void answer_refusal(struct rpc_call *call, response_type *response, enum rpc_code code,
                           const char *text)
{
    Grpc__Reflection__V1__ErrorResponse error;

    answer_error(response, code, text, &error);
    reply(call, response);
}

static void on_question(struct rpc_call *call, const ProtobufCMessage *message)
{
    const request_type *request = (const request_type *)message;
    const struct descriptor_index *index = ((struct asking *)call_tag(call))->reflection->index;
    response_type response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

    response.valid_host = request->host;
    response.original_request = (request_type *)(uintptr_t)request;
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        answer_file(call, &response,
                    descriptor_index_find_file(index, bytes_of_text(request->file_by_filename)));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        answer_file(
            call, &response,
            descriptor_index_find_symbol(index, bytes_of_text(request->file_containing_symbol)));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        answer_services(call, &response);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        answer_extension_numbers(call, &response, request->all_extension_numbers_of_type);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        answer_refusal(call, &response, RPC_NOT_FOUND, "there are no extensions");
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST__NOT_SET:
    default:
        answer_refusal(call, &response, RPC_INVALID_ARGUMENT, "nothing was asked");
        break;
    }
}

static void start(struct rpc_call *call, void *context, const ProtobufCMessage *nothing)
{
    const struct rpc_reflection *reflection = context;
    size_t count = descriptor_index_file_count(reflection->index);
    struct asking *asking = arena_alloc(call_arena(call), sizeof *asking);

    (void)nothing;
    if (asking != NULL) {
        asking->reflection = reflection;
        asking->sent = arena_alloc(call_arena(call), count * sizeof *asking->sent);
        asking->files = arena_alloc(call_arena(call), count * sizeof *asking->files);
    }
    if (asking == NULL || asking->sent == NULL || asking->files == NULL) {
        call_fail_err(call, ERR_LIMIT, NULL);
        return;
    }
    call_set_tag(call, asking);
    call_on_message(call, on_question);
    call_on_writable(call, call_resume_reading);
    call_on_half_close(call, call_finish);
}

static const struct rpc_method methods[] = {
    { "ServerReflectionInfo", RPC_BIDI, RPC_RIGHT_NONE,
      &grpc__reflection__v1__server_reflection_request__descriptor,
      &grpc__reflection__v1__server_reflection_response__descriptor, start },
};

struct rpc_reflection *rpc_reflection_new(const struct rpc_registry *registry,
                                          struct bytes descriptor_set)
{
    struct rpc_reflection *reflection = calloc(1, sizeof *reflection);

    if (reflection == NULL)
        return NULL;
    reflection->registry = registry;
    reflection->index = descriptor_index_new(descriptor_set);
    if (reflection->index == NULL) {
        free(reflection);
        return NULL;
    }
    reflection->v1 =
        (struct rpc_service){ "grpc.reflection.v1.ServerReflection", methods, 1, reflection };
    reflection->v1alpha =
        (struct rpc_service){ "grpc.reflection.v1alpha.ServerReflection", methods, 1, reflection };
    return reflection;
}

void rpc_reflection_free(struct rpc_reflection *reflection)
{
    if (reflection == NULL)
        return;
    descriptor_index_free(reflection->index);
    free(reflection);
}

void rpc_reflection_register(struct rpc_reflection *reflection, struct rpc_registry *registry)
{
    rpc_registry_add(registry, &reflection->v1);
    rpc_registry_add(registry, &reflection->v1alpha);
}
