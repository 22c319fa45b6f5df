#include "rpc/methods/message_text.h"
#include "rpc/methods/method.h"
#include "rpc/methods/org.h"
#include "rpc/methods/run_pages.h"

#include "core/watch.h"

#include <stdatomic.h>

/* WatchJobs: first a list, page by page from snapshots, then every event, in
 * order. The watch is opened before the first snapshot, so that nothing can
 * happen unseen between the two; an event may repeat what the list said.
 *
 * Events come in pages, too, made on the reader's thread: what an event does not
 * carry (the data of a job that is being worked on, estimates, why it waits) is
 * read there from a snapshot.
 *
 * A reader that does not read stops all of it at the send bound: no page is
 * fetched, no event taken, until on_writable. Core's ring goes on without it,
 * and says so when it has overtaken it. */

enum {
    PAGE_MEMORY_BYTES_MAX = 16 << 20,
    PAGE_BYTES = 64 << 10,
    PAGE_JOBS = 64,
    LIVE_MAX = 1000,
    ENDED_MAX = 50,
};

/* What is listed next. A job asked for by id is a list of one. */
enum phase { LIST_ONE, LIST_LIVE, LIST_ENDED, FOLLOW };

struct page { /* the reader's while `reading` */
    struct read_request read;
    struct loop_task done;
    struct arena *mem;
    struct builder builder;
    struct run_pages pages;
    enum err result;
    Sync__V1__Job *jobs[PAGE_JOBS];
    uint64_t sequences[PAGE_JOBS]; /* of events; 0: of the list */
    uint32_t count;
    uint64_t place;                /* of the watch, behind these events */
    bool lost;                     /* behind them, some were lost */
    bool more;                     /* behind them, there may be others */
};

struct watching {          /* in the call's arena */
    struct rpc_call *call; /* held until the end */
    struct methods *methods;
    struct open_stream open;
    struct bytes org, name;
    run_id id; /* 0: all */
    struct watch *watch;
    uint64_t sequence; /* of the last event; before: of the beginning */
    enum phase phase;
    run_id before; /* where the phase's next page begins */
    uint32_t left; /* of the phase's bound */
    struct page page;
    uint32_t sent; /* of the page */
    bool reading, blocked, over, ended;
    bool pending; /* there may be events to read */
    struct loop_task ready;
    atomic_bool ready_posted;
    struct loop_timer heartbeat;
};

static void pump(struct watching *w);

static void end_if_idle(struct watching *w)
{
    struct rpc_call *call = w->call;

    if (!w->over || w->ended || w->reading)
        return;
    w->ended = true;
    /* No ready() comes after this; one that is posted holds the call itself. */
    watch_close(w->watch);
    open_stream_remove(w->methods, &w->open);
    arena_free(w->page.mem);
    call_release(call);
}

/* What is being read is waited for: see end_if_idle(). */
static void end_watch(struct watching *w)
{
    w->over = true;
    loop_timer_stop(call_loop(w->call), &w->heartbeat);
}

static void send(struct watching *w, const Sync__V1__WatchJobsResponse *response)
{
    if (!call_send(w->call, &response->base))
        w->blocked = true;
}

static void send_job(struct watching *w, Sync__V1__Job *job, uint64_t sequence)
{
    Sync__V1__WatchJobsResponse response = SYNC__V1__WATCH_JOBS_RESPONSE__INIT;

    response.sequence = sequence;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_JOB;
    response.job = job;
    send(w, &response);
}

static void send_synced(struct watching *w)
{
    Sync__V1__WatchJobsResponse response = SYNC__V1__WATCH_JOBS_RESPONSE__INIT;
    Sync__V1__WatchSynced synced = SYNC__V1__WATCH_SYNCED__INIT;

    response.sequence = w->sequence;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED;
    response.synced = &synced;
    send(w, &response);
}

static void send_relist(struct watching *w)
{
    Sync__V1__WatchJobsResponse response = SYNC__V1__WATCH_JOBS_RESPONSE__INIT;
    Sync__V1__WatchRelistRequired relist = SYNC__V1__WATCH_RELIST_REQUIRED__INIT;

    relist.reason = (char *)"events were lost: list the jobs again";
    response.sequence = w->sequence;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_RELIST;
    response.relist = &relist;
    send(w, &response);
}

static void send_heartbeat(struct loop_timer *timer)
{
    struct watching *w = container_of(timer, struct watching, heartbeat);
    Sync__V1__WatchJobsResponse response = SYNC__V1__WATCH_JOBS_RESPONSE__INIT;
    Sync__V1__WatchHeartbeat heartbeat = SYNC__V1__WATCH_HEARTBEAT__INIT;

    loop_timer_start(call_loop(w->call), &w->heartbeat, w->methods->watch_heartbeat_ms);
    if (w->blocked)
        return;
    /* During the list there is no place yet to resume from. */
    response.sequence = w->phase == FOLLOW ? w->sequence : 0;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_HEARTBEAT;
    response.heartbeat = &heartbeat;
    send(w, &response);
}

static void fail(struct watching *w, enum err e, const struct why *why)
{
    call_fail_err(w->call, e, why);
    end_watch(w);
}

static void enter(struct watching *w, enum phase phase)
{
    w->phase = phase;
    w->before = 0;
    w->left = phase == LIST_LIVE ? LIVE_MAX : phase == LIST_ENDED ? ENDED_MAX : 0;
}

static bool page_has_room(const struct page *page)
{
    return !page->builder.full && page->count < PAGE_JOBS &&
           arena_used_bytes(page->mem) < PAGE_BYTES;
}

static void add(struct page *page, const struct run_info *info, uint64_t sequence)
{
    struct watching *w = container_of(page, struct watching, page);
    Sync__V1__Job *job = build_job(&page->builder, info, JOB_FULL, method_now_ms(w->methods));

    if (page->builder.full)
        return;
    page->sequences[page->count] = sequence;
    page->jobs[page->count++] = job;
}

static bool add_job(struct run_pages *pages, const struct run_info *info)
{
    struct page *page = container_of(pages, struct page, pages);

    add(page, info, 0);
    return page_has_room(page);
}

static enum err read_one(struct watching *w, struct store_reader *snapshot, struct why *why)
{
    struct page *page = &w->page;
    struct view view = { .reader = snapshot,
                         .board = engine_board(w->methods->engine),
                         .mem = page->mem };
    struct run_info info;
    enum err e = view_run(&view, w->org, w->id, &info, why);

    if (e == OK)
        add_job(&page->pages, &info);
    return e;
}

static bool is_wanted(const struct watching *w, const struct run_info *info)
{
    return (w->id == 0 || info->id == w->id) &&
           (w->name.size == 0 || bytes_equal(w->name, info->spec.name));
}

static enum err read_event(struct watching *w, struct view *view, struct why *why)
{
    struct page *page = &w->page;
    struct run_info info;
    enum err e = watch_next(w->watch, page->mem, &info, &page->place);

    if (e != OK || !is_wanted(w, &info))
        return e;
    e = view_complete(view, &info, why);
    if (e == OK)
        add(page, &info, page->place);
    return page->builder.full ? ERR_LIMIT : e; /* as good as lost */
}

/* Events until the page is full, there are none, or some were lost. */
static enum err read_events(struct watching *w, struct store_reader *snapshot, struct why *why)
{
    struct page *page = &w->page;
    struct view view = { .reader = snapshot,
                         .board = engine_board(w->methods->engine),
                         .mem = page->mem };
    enum err e = OK;

    while (e == OK && page_has_room(page))
        e = read_event(w, &view, why);
    page->lost = e == ERR_LIMIT;
    page->more = e != ERR_NOT_FOUND;
    return page->lost || !page->more ? OK : e;
}

static enum err read_page(struct read_request *req, struct store_reader *snapshot, struct why *why)
{
    struct page *page = container_of(req, struct page, read);
    struct watching *w = container_of(page, struct watching, page);
    enum err e;

    page->pages.reader = snapshot;
    if (w->phase == FOLLOW)
        return read_events(w, snapshot, why);
    if (w->phase == LIST_ONE)
        e = read_one(w, snapshot, why);
    else
        e = run_pages_walk(&page->pages, why);
    if (e == OK && page->builder.full)
        e = err_because(why, ERR_LIMIT, "a job is too large for the memory of one call");
    return e;
}

static void page_read(struct read_request *req, enum err e)
{
    struct page *page = container_of(req, struct page, read);

    page->result = e;
    call_post(container_of(page, struct watching, page)->call, &page->done);
}

static void page_done(struct loop_task *task)
{
    struct page *page = container_of(task, struct page, done);
    struct watching *w = container_of(page, struct watching, page);

    w->reading = false;
    w->pending = w->pending || page->more;
    if (!w->over && page->result != OK)
        fail(w, page->result, &page->read.why);
    if (!w->over)
        pump(w);
    end_if_idle(w);
}

static void post_page(struct watching *w)
{
    struct page *page = &w->page;

    arena_reset(page->mem);
    page->builder = (struct builder){ .mem = page->mem };
    page->count = w->sent = 0;
    page->place = w->sequence;
    page->more = false;
    page->pages = (struct run_pages){
        .board = engine_board(w->methods->engine),
        .org = w->org,
        .filter = { .live = w->phase == LIST_LIVE,
                    .ended = w->phase == LIST_ENDED,
                    .name = w->name,
                    .before = w->before },
        .max = w->left < PAGE_JOBS ? w->left : PAGE_JOBS,
        .visit = add_job,
    };
    page->read.read = read_page;
    page->read.done = page_read;
    page->done.run = page_done;
    w->reading = true;
    engine_read(w->methods->engine, &page->read);
}

/* The page is sent: what comes next of the list? */
static void turn_page(struct watching *w)
{
    const struct run_pages *pages = &w->page.pages;

    w->left -= w->page.count < w->left ? w->page.count : w->left;
    if (w->phase != LIST_ONE && pages->next != 0 && w->left > 0) {
        w->before = pages->next;
    } else if (w->phase == LIST_LIVE) {
        enter(w, LIST_ENDED);
    } else {
        enter(w, FOLLOW);
        send_synced(w);
    }
    w->page.count = w->sent = 0;
    if (w->phase != FOLLOW)
        post_page(w);
}

/* The page of events is sent: is there another? */
static bool turn_events(struct watching *w)
{
    struct page *page = &w->page;

    w->sequence = page->place;
    if (page->lost) {
        page->lost = false;
        send_relist(w);
    }
    if (!w->pending || w->blocked) {
        page->count = w->sent = 0;
        arena_reset(page->mem); /* it may be long until the next one */
        return false;
    }
    w->pending = false;
    post_page(w);
    return true;
}

/* Sends whatever can be sent now. Called again when a page is there, when the
 * ring has something, when the peer reads. */
static void pump(struct watching *w)
{
    while (!w->over && !w->blocked && !w->reading) {
        if (w->sent < w->page.count) {
            send_job(w, w->page.jobs[w->sent], w->page.sequences[w->sent]);
            w->sent++;
        } else if (w->phase != FOLLOW) {
            turn_page(w);
        } else if (!turn_events(w)) {
            return;
        }
    }
}

static void ready_task(struct loop_task *task)
{
    struct watching *w = container_of(task, struct watching, ready);
    struct rpc_call *call = w->call;

    atomic_store(&w->ready_posted, false);
    w->pending = true;
    if (!w->over)
        pump(w);
    call_release(call);
}

/* On the queue's thread. Others than ready_task() empty the ring, too, so that
 * this may come again before that has run. */
static void on_ready(void *ctx)
{
    struct watching *w = ctx;

    if (!atomic_exchange(&w->ready_posted, true))
        call_post(call_hold(w->call), &w->ready);
}

static void on_writable(struct rpc_call *call)
{
    struct watching *w = call_tag(call);

    w->blocked = false;
    if (!w->over)
        pump(w);
}

static void on_over(struct rpc_call *call)
{
    struct watching *w = call_tag(call);

    end_watch(w);
    end_if_idle(w);
}

static void drain(struct open_stream *open)
{
    struct watching *w = container_of(open, struct watching, open);
    struct rpc_status status;

    if (w->over)
        return;
    rpc_status_set(&status, RPC_UNAVAILABLE, "the server is draining: watch again later");
    call_fail(w->call, &status);
    end_watch(w);
    end_if_idle(w);
}

static enum err read_request(struct watching *w, const Sync__V1__WatchJobsRequest *request,
                             struct why *why)
{
    enum err e = message_check_text(&request->base, why);

    if (e == OK)
        e = org_of_call(w->call, &request->base, &w->org, why);
    if (e == OK && request->id[0] != '\0')
        e = read_run_id(request->id, "id", &w->id, why);
    w->name = bytes_of_text(request->name);
    return e;
}

static enum err begin(struct watching *w, const Sync__V1__WatchJobsRequest *request,
                      struct why *why)
{
    struct watch_hub *hub = engine_watch(w->methods->engine);
    enum err e = read_request(w, request, why);

    if (e != OK)
        return e;
    w->page.mem = arena_new(PAGE_MEMORY_BYTES_MAX);
    if (w->page.mem == NULL)
        return err_because(why, ERR_LIMIT, "out of memory");
    /* Before the watch stands: whoever resumes from here misses nothing. */
    w->sequence = request->after_sequence != 0 ? request->after_sequence : watch_hub_sequence(hub);
    w->page.place = w->sequence;
    return watch_open(hub, w->org, request->after_sequence, on_ready, w, &w->watch);
}

static void start(struct watching *w, const Sync__V1__WatchJobsRequest *request)
{
    call_hold(w->call);
    call_set_tag(w->call, w);
    call_on_over(w->call, on_over);
    call_on_writable(w->call, on_writable);
    w->open = (struct open_stream){ .call = w->call, .drain = drain };
    w->ready.run = ready_task;
    w->pending = true; /* a watch begins by looking */
    w->heartbeat.fire = send_heartbeat;
    loop_timer_start(call_loop(w->call), &w->heartbeat, w->methods->watch_heartbeat_ms);
    open_stream_add(w->methods, &w->open);
    enter(w, request->after_sequence != 0 ? FOLLOW : w->id != 0 ? LIST_ONE : LIST_LIVE);
    if (w->phase != FOLLOW)
        post_page(w);
    else
        pump(w);
}

METHOD_START(watch_jobs)
{
    struct watching *w = arena_alloc(call_arena(call), sizeof *w);
    struct why why = { .field = "" };
    enum err e;

    if (w == NULL) {
        method_fail_full(call);
        return;
    }
    w->call = call;
    w->methods = context;
    e = begin(w, (const void *)request, &why);
    if (e == OK) {
        start(w, (const void *)request);
        return;
    }
    arena_free(w->page.mem);
    call_fail_err(call, e, &why);
}
