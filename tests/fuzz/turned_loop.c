#include "tests/fuzz/turned_loop.h"

struct turns {
    struct loop_task task;
    struct loop *loop;
    int left;
};

static void turn_again(struct loop_task *task)
{
    struct turns *turns = container_of(task, struct turns, task);

    if (--turns->left > 0)
        loop_post(turns->loop, task);
    else
        loop_stop(turns->loop);
}

void loop_turn(struct loop *loop, int turns)
{
    struct turns all = { .task.run = turn_again, .loop = loop, .left = turns };

    loop_post(loop, &all.task);
    loop_run(loop);
}
