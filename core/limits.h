#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

/* Every bound of core, in one place. Those that users may set are defaults of
 * struct queue_options or of an organisation. */

enum {
    NAME_SIZE_MAX = 128,             /* of a sync, an organisation, a source, a target, an entity */
    DATA_SIZE_MAX = 1 << 20,
    REASON_SIZE_MAX = 512,
    REQUEST_ID_SIZE_MAX = 255,       /* an idempotency key */
    IDEMPOTENCY_MS = 24 * 3600 * 1000,   /* how long it is remembered */
    ERROR_SIZE_MAX = 1024,
    WORKER_SIZE_MAX = 128,
    CHECKPOINT_SIZE_MAX = 256 << 10,
    ENTITIES_MAX = 256,              /* of one run */
    CONNECTIONS_MAX = 64,            /* sources, or targets, of one worker */
    HEARTBEAT_LEASES_MAX = 1024,
    CONCURRENCY_MAX = 64,
    RETRIES_MAX = 100,
    WATERMARK_HISTORY_MAX = 10,
    DURATIONS_MAX = 10,              /* remembered per sync */
    HISTORY_CHUNK_RUNS = 16,         /* ended runs of a name that one record tells of */
    LANES_PER_ORG_MAX = 256,         /* distinct (source, target) pairs that wait at once */
    WEIGHT_MAX = 1000,               /* of an organisation */
    WAIT_MS_MAX = 60 * 1000,
    LEASE_TTL_MS_MIN = 5 * 1000,
    LEASE_TTL_MS_MAX = 3600 * 1000,
    TURN_REQUESTS_MAX = 4096,        /* handled before a commit */
    TURN_BYTES_SOFT_MAX = 64 << 20,  /* a turn that has used so much begins nothing more */
    TURN_BYTES_MAX = 1 << 30,        /* nothing that one request does comes near it */
    SWEEP_RUNS_MAX = 512,            /* ended runs, or entries, that a turn takes off the disk, */
    PURGES_MAX = 256,                /* with a filter, under way at once */
    PURGE_LOOKS_MAX = 4096,          /* and those it looks at for a filtered purge */
    BOARD_ORGS_MAX = 16384,          /* whose pace is remembered */
    BOARD_PAIRS_MAX = 256,           /* of source and target that are told apart there */
    BOARD_ENDS_MAX = 64,             /* leases that one estimate looks at */
    BOARD_ABSENT_MAX = 4096,         /* workers that are remembered between two calls */
    WATCH_EVENTS_MAX = 16384,        /* that can be gone back to */
    WATCH_BYTES_MAX = 16 << 20,      /* of those events together */
    WATCH_IDLE_MS = 5 * 60 * 1000,   /* without a watcher: then events are not kept */
};

_Static_assert(DATA_SIZE_MAX < (16 << 20), "a job fits into one RPC message");

#endif
