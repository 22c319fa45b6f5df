#ifndef RPC_METHODS_REPORT_H
#define RPC_METHODS_REPORT_H

#include "rpc/methods/convert.h"

/* What workers say, from their messages to core's requests: the same for the
 * unary calls and for the Work stream. Everything is copied into mem. `verb` is
 * set, `base.mem` and `done` are the caller's. */

MUST_USE enum err report_progress(const Sync__V1__ReportProgressRequest *message,
                                  struct arena *mem, struct report_request *report,
                                  struct why *why);
MUST_USE enum err report_checkpoint(const Sync__V1__SaveCheckpointRequest *message,
                                    struct arena *mem, struct report_request *report,
                                    struct why *why);
MUST_USE enum err report_complete(const Sync__V1__CompleteJobRequest *message, struct arena *mem,
                                  struct report_request *report, struct why *why);
MUST_USE enum err report_fail(const Sync__V1__FailJobRequest *message, struct arena *mem,
                              struct report_request *report, struct why *why);
MUST_USE enum err report_release(const Sync__V1__ReleaseJobRequest *message, struct arena *mem,
                                 struct report_request *report, struct why *why);

/* For HEARTBEAT and ACKNOWLEDGE. */
MUST_USE enum err report_leases(Sync__V1__Lease *const *leases, size_t count, struct arena *mem,
                                struct heartbeat_request *heartbeat, struct why *why);

/* Core's answer to either: directives of what is held, and what is lost. */
Sync__V1__HeartbeatResponse *build_heartbeat(struct builder *builder,
                                             const struct heartbeat_request *heartbeat);
Sync__V1__LeaseDirective *build_directive(struct builder *builder, struct lease_name lease,
                                          enum directive directive);

/* A worker as it introduces itself, checked and copied into mem; one that has
 * no id is given one. `push` is the caller's. */
MUST_USE enum err report_worker(const Sync__V1__WorkerInfo *info, struct arena *mem,
                                struct worker *worker, struct why *why);

/* Gives back what was leased for somebody who is gone: it costs no attempt.
 * Returns at once; what cannot be given back runs out by itself. */
struct engine;
void report_give_back(struct engine *engine, const struct assignment *jobs, uint32_t count);

#endif
