#ifndef RPC_METHODS_DATA_JSON_H
#define RPC_METHODS_DATA_JSON_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "sync/v1/sync.pb-c.h"

/* JobData.json beside the typed fields: one object said twice, so both must say the
 * same. */

/* Empty is fine. Otherwise ERR_INVALID, naming data.json, unless it is an object, no
 * deeper than JSON_DATA_DEPTH_MAX, whose members agree with the typed fields of their
 * name. What is set only there is put in front of its first member, in memory of mem;
 * an object that lacks nothing stays as it is, byte for byte. */
enum err data_json_complete(Sync__V1__JobData *data, struct arena *mem, struct why *why);

#endif
