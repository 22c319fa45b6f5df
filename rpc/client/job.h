#ifndef RPC_CLIENT_JOB_H
#define RPC_CLIENT_JOB_H

#include "rpc/client/client_parts.h"
#include "sync/v1/sync.pb-c.h"

/* Between the contract's messages and the plain structs of client.h. */

/* Lends, in the arena. False if it is full. */
bool job_read(struct sync_job *job, const Sync__V1__Job *from, struct arena *mem);

/* Gives a job in memory of its own, for sync_client_job_free(). NULL if out of
 * memory. */
struct sync_job *job_new(const Sync__V1__Job *from);
struct sync_job_list *job_list_new(const Sync__V1__ListJobsResponse *from);

/* Lend, in the arena; the texts stay the caller's. NULL: *status says why. */
Sync__V1__QueueJobRequest *job_queue_request(const struct sync_job_request *from, struct arena *mem,
                                             struct sync_status *status);
Sync__V1__ListJobsRequest *job_list_request(const struct sync_list_request *from, struct arena *mem,
                                            struct sync_status *status);
Google__Protobuf__Duration *job_duration(int64_t ms, struct arena *mem); /* 0: NULL */

#endif
