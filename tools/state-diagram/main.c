#include "core/run.h"

#include <stdio.h>

/* The life of a run as a Mermaid diagram, drawn from the table in core/run.c.
 * README.md holds what this prints; a test compares the two. */

/* The events that lead from one state to the other share an arrow. */
static void draw_arrow(enum run_state from, enum run_state to)
{
    bool drawn = false;

    for (int event = 0; event < RUN_EVENT_COUNT; event++) {
        if (run_next_state(from, (enum run_event)event) != to)
            continue;
        if (!drawn)
            printf("    %s --> %s: %s", run_state_name(from), run_state_name(to),
                   run_event_text((enum run_event)event));
        else
            printf(" / %s", run_event_text((enum run_event)event));
        drawn = true;
    }
    if (drawn)
        putchar('\n');
}

int main(void)
{
    puts("stateDiagram-v2\n"
         "    [*] --> QUEUED: queue\n"
         "    [*] --> SCHEDULED: queue with a schedule");
    for (int from = RUN_NONE + 1; from < RUN_STATE_COUNT; from++) {
        for (int to = RUN_NONE + 1; to < RUN_STATE_COUNT; to++)
            draw_arrow((enum run_state)from, (enum run_state)to);
        if (run_is_ended((enum run_state)from))
            printf("    %s --> [*]\n", run_state_name((enum run_state)from));
    }
    return 0;
}
