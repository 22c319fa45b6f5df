#include "rpc/methods/method.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* What operators do to the whole server: Backup and Drain. And the methods
 * that are promised and not built. */

/* A backup is one directory of files. */
static uint64_t directory_bytes(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    struct stat file;
    uint64_t bytes = 0;

    if (directory == NULL)
        return 0;
    while ((entry = readdir(directory)) != NULL)
        if (fstatat(dirfd(directory), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(file.st_mode))
            bytes += (uint64_t)file.st_size;
    closedir(directory);
    return bytes;
}

/* Not a read, but work that must not hold up the queue either. */
static enum err read_backup(struct method_call *m, struct view *view)
{
    const Sync__V1__BackupRequest *request = m->request;
    struct store *store = engine_store(m->methods->engine);
    struct builder builder = { .mem = view->mem };
    Sync__V1__BackupResponse *response;
    enum err e;

    if (request->directory[0] != '/')
        return refuse_field(&m->why, "directory",
                            "must be an absolute path on the server's machine that does not "
                            "exist yet");
    e = store->ops->backup(store, request->directory, &m->why);
    if (e != OK)
        return e;
    response = build_message(&builder, &sync__v1__backup_response__descriptor);
    if (response != NULL)
        response->bytes = directory_bytes(request->directory);
    return method_respond(m, &builder, response);
}

static enum err prepare_drain(struct method_call *m)
{
    m->core.base.verb = QUEUE_DRAIN;
    m->core.drain.actor = bytes_of_text(call_actor(m->call));
    return OK;
}

static void *reply_drain(struct method_call *m, struct builder *builder)
{
    Sync__V1__DrainResponse *response =
        build_message(builder, &sync__v1__drain_response__descriptor);

    if (response != NULL)
        response->leases_held = m->core.drain.leases;
    return response;
}

METHOD_START(backup)
{
    static const struct method_steps steps = { .any_org = true, .read = read_backup };

    method_run(call, context, request, &steps);
}

METHOD_START(drain)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_drain,
                                               .reply = reply_drain };

    method_run(call, context, request, &steps);
}

METHOD_START(not_built)
{
    struct why why;

    (void)context;
    (void)request;
    call_fail_err(call,
                  err_because(&why, ERR_UNSUPPORTED, "%s is not built into this server",
                              call_method(call)->name),
                  &why);
}
