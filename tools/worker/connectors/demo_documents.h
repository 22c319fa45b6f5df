#ifndef WORKER_DEMO_DOCUMENTS_H
#define WORKER_DEMO_DOCUMENTS_H

#include "tools/worker/connectors/buffer.h"
#include "tools/worker/connectors/demo_rows.h"

/* What a row of the demo shop looks like: JSON in the shape of a web shop's
 * records, decided by the row's id and version alone. */

enum { DEMO_HANDLE_SIZE = 48, DEMO_PRODUCT_COLLECTIONS_MAX = 2 };

/* Adds the document of a row that is alive. */
void demo_document(const struct demo_shop *shop, enum demo_entity entity,
                   const struct demo_row *row, struct buffer *buffer);

/* Of the collection with this id (from 1): "summer-collection", "new-arrivals",
 * "linen-3" ... */
void demo_collection_handle(uint64_t id, char handle[DEMO_HANDLE_SIZE]);

/* The ids of the collections a product is in; it never changes. Returns how
 * many, 0 if the shop has no collections. */
unsigned demo_product_collections(const struct demo_shop *shop, uint64_t product,
                                  uint64_t ids[DEMO_PRODUCT_COLLECTIONS_MAX]);

#endif
