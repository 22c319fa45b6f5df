#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/loop.h"

#include <pthread.h>
#include <string.h>

static int setup(void **state)
{
    *state = loop_new();
    return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    loop_free(*state);
    return 0;
}

/* Notes in which order things run. */
struct note {
    struct loop_task task;
    struct loop_timer timer;
    struct loop *loop;
    char *log;
    char letter;
    bool stop;
};

static void write_note(struct note *note)
{
    size_t size = strlen(note->log);

    note->log[size] = note->letter;
    note->log[size + 1] = '\0';
    if (note->stop)
        loop_stop(note->loop);
}

static void run_note(struct loop_task *task)
{
    write_note(container_of(task, struct note, task));
}

static void fire_note(struct loop_timer *timer)
{
    write_note(container_of(timer, struct note, timer));
}

static struct note make_note(struct loop *loop, char *log, char letter)
{
    return (struct note){
        .loop = loop, .log = log, .letter = letter, .task.run = run_note, .timer.fire = fire_note
    };
}

static void tasks_run_in_the_order_of_posting(void **state)
{
    char log[32] = "";
    struct note notes[5];

    for (int i = 0; i < 5; i++) {
        notes[i] = make_note(*state, log, (char)('a' + i));
        loop_post(*state, &notes[i].task);
    }
    notes[4].stop = true;
    loop_run(*state);
    assert_string_equal(log, "abcde");
}

static void timers_fire_in_the_order_of_their_time(void **state)
{
    const int64_t delays_ms[] = { 30, 10, 20, 0 };
    char log[32] = "";
    struct note notes[4];

    for (int i = 0; i < 4; i++) {
        notes[i] = make_note(*state, log, (char)('a' + i));
        loop_timer_start(*state, &notes[i].timer, delays_ms[i]);
    }
    notes[0].stop = true;
    loop_run(*state);
    assert_string_equal(log, "dbca");
}

static void a_timer_does_not_fire_early(void **state)
{
    char log[8] = "";
    struct note note = make_note(*state, log, 'x');
    int64_t begin_ms = loop_mono_ms();

    note.stop = true;
    loop_timer_start(*state, &note.timer, 25);
    loop_run(*state);
    assert_true(loop_mono_ms() - begin_ms >= 25);
}

static void a_timer_can_be_moved_and_stopped(void **state)
{
    char log[32] = "";
    struct note moved = make_note(*state, log, 'm'), stopped = make_note(*state, log, 's'),
                last = make_note(*state, log, 'l');

    loop_timer_start(*state, &moved.timer, 0);
    loop_timer_start(*state, &moved.timer, 10);
    loop_timer_start(*state, &stopped.timer, 0);
    loop_timer_stop(*state, &stopped.timer);
    loop_timer_stop(*state, &stopped.timer);
    last.stop = true;
    loop_timer_start(*state, &last.timer, 20);
    loop_run(*state);
    assert_string_equal(log, "ml");
}

struct poster {
    struct loop_task task;
    struct note *last, *task_note;
    struct loop *loop;
};

static void post_both(struct loop_task *task)
{
    struct poster *poster = container_of(task, struct poster, task);

    loop_post_last(poster->loop, &poster->last->task);
    write_note(poster->task_note);
}

static void what_is_put_off_runs_after_the_turns_tasks(void **state)
{
    char log[32] = "";
    struct note last = make_note(*state, log, 'z'), a = make_note(*state, log, 'a'),
                b = make_note(*state, log, 'b');
    struct poster poster = {
        .task.run = post_both, .last = &last, .task_note = &a, .loop = *state
    };

    last.stop = true;
    loop_post(*state, &poster.task);
    loop_post(*state, &b.task);
    loop_run(*state);
    assert_string_equal(log, "abz");
}

struct last_poster {
    struct loop_task task;
    struct loop *loop;
    struct note *next;
};

static void post_next_last(struct loop_task *task)
{
    struct last_poster *poster = container_of(task, struct last_poster, task);

    loop_post_last(poster->loop, &poster->next->task);
}

/* Posted while the loop did not run, and by what runs last: the loop has nothing
 * else to wake for but a timer that would be too late. */
static void what_is_put_off_does_not_wait_for_other_work(void **state)
{
    char log[32] = "";
    struct note late = make_note(*state, log, 'T'), a = make_note(*state, log, 'a'),
                b = make_note(*state, log, 'b');
    struct last_poster poster = { .task.run = post_next_last, .loop = *state, .next = &b };

    late.stop = b.stop = true;
    loop_timer_start(*state, &late.timer, 2000);
    loop_post_last(*state, &a.task);
    loop_post_last(*state, &poster.task);
    loop_run(*state);
    assert_string_equal(log, "ab");
    loop_timer_stop(*state, &late.timer);
}

static void a_stop_before_the_run_counts(void **state)
{
    loop_stop(*state);
    loop_run(*state); /* returns */
}

static void what_was_posted_runs_when_the_loop_is_freed(void **state)
{
    struct loop *loop = loop_new();
    char log[8] = "";
    struct note note = make_note(loop, log, 'x');

    (void)state;
    loop_post(loop, &note.task);
    loop_free(loop);
    assert_string_equal(log, "x");
}

enum { THREADS = 4, POSTS = 20000 };

struct counter {
    struct loop *loop;
    int count;
};

struct counting_task {
    struct loop_task task;
    struct counter *counter;
    int thread, number;
};

static int last_number[THREADS];

static void count(struct loop_task *task)
{
    struct counting_task *own = container_of(task, struct counting_task, task);

    assert_true(loop_is_current(own->counter->loop));
    assert_int_equal(own->number, last_number[own->thread] + 1);
    last_number[own->thread] = own->number;
    if (++own->counter->count == THREADS * POSTS)
        loop_stop(own->counter->loop);
}

static struct counting_task tasks[THREADS][POSTS];

static void *post_many(void *context)
{
    struct counting_task *own = context;

    for (int i = 0; i < POSTS; i++)
        loop_post(own[i].counter->loop, &own[i].task);
    return NULL;
}

static void no_task_of_many_threads_is_lost_or_overtaken(void **state)
{
    struct counter counter = { .loop = *state };
    pthread_t threads[THREADS];

    for (int t = 0; t < THREADS; t++) {
        last_number[t] = -1;
        for (int i = 0; i < POSTS; i++)
            tasks[t][i] = (struct counting_task){ { count, NULL }, &counter, t, i };
        pthread_create(&threads[t], NULL, post_many, tasks[t]);
    }
    loop_run(*state);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(counter.count, THREADS * POSTS);
}

static void a_loop_runs_on_a_thread_of_its_own(void **state)
{
    char log[8] = "";
    struct note note = make_note(*state, log, 'x');

    assert_int_equal(loop_start(*state, "test"), OK);
    loop_post(*state, &note.task);
    loop_join(*state);
    /* Stopping may come first; then the task is still there. */
    if (log[0] == '\0') {
        note.stop = true;
        loop_run(*state);
    }
    assert_string_equal(log, "x");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tasks_run_in_the_order_of_posting),
        TEST(timers_fire_in_the_order_of_their_time),
        TEST(a_timer_does_not_fire_early),
        TEST(a_timer_can_be_moved_and_stopped),
        TEST(what_is_put_off_runs_after_the_turns_tasks),
        TEST(what_is_put_off_does_not_wait_for_other_work),
        TEST(a_stop_before_the_run_counts),
        TEST(what_was_posted_runs_when_the_loop_is_freed),
        TEST(no_task_of_many_threads_is_lost_or_overtaken),
        TEST(a_loop_runs_on_a_thread_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
