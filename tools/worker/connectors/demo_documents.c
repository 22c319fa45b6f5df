#include "tools/worker/connectors/demo_documents.h"

#include "core/base/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>

/* Dice of a document: above those of demo_rows.c. DICE_CHANGE is thrown with
 * the version, so that a change shows. */
enum {
    DICE_COLLECTIONS = 100,
    DICE_ADJECTIVE,
    DICE_NOUN,
    DICE_VENDOR,
    DICE_VARIANTS,
    DICE_PRICE,
    DICE_FIRST_NAME,
    DICE_LAST_NAME,
    DICE_CITY,
    DICE_CUSTOMER,
    DICE_LINES,
    DICE_LINE = 200,
    DICE_CHANGE = 1000,
};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static const char *const adjectives[] = { "Linen", "Oak",    "Copper",  "Woven",  "Striped",
                                          "Matte", "Washed", "Quilted", "Tall",   "Pocket",
                                          "Cedar", "Merino", "Enamel",  "Canvas", "Glazed" };
static const char *const nouns[] = { "Shirt",  "Lamp",   "Kettle",  "Basket", "Blanket",
                                     "Vase",   "Jacket", "Cushion", "Shelf",  "Notebook",
                                     "Candle", "Scarf",  "Mug",     "Bag",    "Bowl" };
static const char *const vendors[] = { "Harbour & Pine",  "Kestrel Works", "Maison Lune", "Nordhus",
                                       "Alder \"No. 9\"", "Fjäll",         "Tide" };
static const char *const first_names[] = { "Ada",   "Bruno", "Chloé", "Dmitri", "Emre",  "Freya",
                                           "Goran", "Hana",  "Inés",  "Jonas",  "Kaito", "Lena",
                                           "Mira",  "Noah",  "Oona",  "Priya" };
static const char *const last_names[] = { "Abel",     "Brandt",    "Castro", "Duval", "Eriksen",
                                          "Fischer",  "Grünwald",  "Horvat", "Ito",   "Jansen",
                                          "Kowalski", "Lindqvist", "Moreau" };
static const char *const cities[] = { "Lisboa", "Göteborg", "Leeds",   "Lyon",  "Graz",
                                      "Gdańsk", "Porto",    "Utrecht", "Turku", "Ghent" };
static const char *const statuses[] = { "ACTIVE", "ACTIVE", "ACTIVE", "DRAFT", "ARCHIVED" };
static const char *const financial[] = { "PENDING", "PAID", "PAID", "PARTIALLY_REFUNDED",
                                         "REFUNDED" };
static const char *const sizes[] = { "S", "M", "L", "XL" };

struct writer {
    const struct demo_shop *shop;
    enum demo_entity entity;
    const struct demo_row *row;
    struct buffer *out;
};

static uint64_t dice(const struct writer *w, uint64_t what)
{
    return demo_dice(w->shop, w->entity, w->row->id, what);
}

#define PICK(w, list, what) ((list)[dice((w), (what)) % LENGTH(list)])
/* May be another one in each version. */
#define PICK_NOW(w, list, what)                                                                    \
    ((list)[dice((w), DICE_CHANGE + (what) + (w)->row->version) % LENGTH(list)])

static void add_name(const struct writer *w, const char *name)
{
    uint8_t last = w->out->data[w->out->size - 1];

    if (last != '{' && last != '[')
        buffer_add_char(w->out, ',');
    buffer_add_char(w->out, '"');
    buffer_add_text(w->out, name);
    buffer_add_text(w->out, "\":");
}

static void add_text(const struct writer *w, const char *name, const char *text)
{
    add_name(w, name);
    buffer_add_json(w->out, bytes_of_text(text));
}

static void add_number(const struct writer *w, const char *name, uint64_t number)
{
    add_name(w, name);
    buffer_add_number(w->out, number);
}

static void add_time(const struct writer *w, const char *name, int64_t time_ms)
{
    char text[RFC3339_SIZE];

    rfc3339_write(time_ms, text);
    add_text(w, name, text);
}

static void add_money(const struct writer *w, const char *name, uint64_t cents)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64 ".%02u", cents / 100, (unsigned)(cents % 100));
    add_text(w, name, text);
}

static void add_id(const struct writer *w, const char *type)
{
    char text[64];

    snprintf(text, sizeof text, "gid://demo/%s/%" PRIu64, type, w->row->id);
    add_text(w, "id", text);
    snprintf(text, sizeof text, "%" PRIu64, w->row->id);
    add_text(w, "legacyResourceId", text);
}

static void add_times(const struct writer *w)
{
    add_time(w, "createdAt", w->row->created_at_ms);
    add_time(w, "updatedAt", w->row->updated_at_ms);
    add_number(w, "version", w->row->version);
}

static void to_handle(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
        else if (*text == ' ')
            *text = '-';
    }
}

void demo_collection_handle(uint64_t id, char handle[DEMO_HANDLE_SIZE])
{
    if (id == 1) {
        snprintf(handle, DEMO_HANDLE_SIZE, "summer-collection");
    } else if (id == 2) {
        snprintf(handle, DEMO_HANDLE_SIZE, "new-arrivals");
    } else {
        snprintf(handle, DEMO_HANDLE_SIZE, "%s-%" PRIu64, adjectives[id % LENGTH(adjectives)], id);
        to_handle(handle);
    }
}

unsigned demo_product_collections(const struct demo_shop *shop, uint64_t product,
                                  uint64_t ids[DEMO_PRODUCT_COLLECTIONS_MAX])
{
    uint64_t count = shop->counts[DEMO_COLLECTIONS];
    uint64_t thrown = demo_dice(shop, DEMO_PRODUCTS, product, DICE_COLLECTIONS);

    if (count == 0)
        return 0;
    ids[0] = thrown % count + 1;
    ids[1] = (thrown >> 20) % count + 1;
    return ids[0] == ids[1] ? 1 : 2;
}

static void add_variant(const struct writer *w, uint64_t n)
{
    char sku[32];

    add_name(w, "id");
    buffer_add_char(w->out, '"');
    buffer_add_text(w->out, "gid://demo/ProductVariant/");
    buffer_add_number(w->out, w->row->id * LENGTH(sizes) + n);
    buffer_add_char(w->out, '"');
    snprintf(sku, sizeof sku, "SKU-%06" PRIu64 "-%s", w->row->id, sizes[n]);
    add_text(w, "sku", sku);
    add_text(w, "title", sizes[n]);
    add_money(w, "price", 500 + dice(w, DICE_PRICE) % 20000 + 100 * n + w->row->version % 7 * 10);
    add_number(w, "inventoryQuantity", dice(w, DICE_CHANGE + n + w->row->version) % 200);
}

static void add_variants(const struct writer *w)
{
    uint64_t count = dice(w, DICE_VARIANTS) % LENGTH(sizes) + 1;

    add_name(w, "variants");
    buffer_add_char(w->out, '[');
    for (uint64_t n = 0; n < count; n++) {
        buffer_add_text(w->out, n == 0 ? "{" : ",{");
        add_variant(w, n);
        buffer_add_char(w->out, '}');
    }
    buffer_add_char(w->out, ']');
}

static void add_product_collections(const struct writer *w)
{
    uint64_t ids[DEMO_PRODUCT_COLLECTIONS_MAX];
    unsigned count = demo_product_collections(w->shop, w->row->id, ids);

    add_name(w, "collections");
    buffer_add_char(w->out, '[');
    for (unsigned i = 0; i < count; i++) {
        char handle[DEMO_HANDLE_SIZE];

        demo_collection_handle(ids[i], handle);
        if (i > 0)
            buffer_add_char(w->out, ',');
        buffer_add_json(w->out, bytes_of_text(handle));
    }
    buffer_add_char(w->out, ']');
}

static void add_product(const struct writer *w)
{
    char title[64], handle[96];

    snprintf(title, sizeof title, "%s %s", PICK(w, adjectives, DICE_ADJECTIVE),
             PICK(w, nouns, DICE_NOUN));
    snprintf(handle, sizeof handle, "%s-%" PRIu64, title, w->row->id);
    to_handle(handle);
    add_id(w, "Product");
    add_text(w, "handle", handle);
    add_text(w, "title", title);
    add_text(w, "vendor", PICK(w, vendors, DICE_VENDOR));
    add_text(w, "productType", PICK(w, nouns, DICE_NOUN));
    add_text(w, "status", PICK_NOW(w, statuses, DICE_NOUN));
    add_product_collections(w);
    add_times(w);
    add_variants(w);
}

static void add_collection(const struct writer *w)
{
    char handle[DEMO_HANDLE_SIZE];

    demo_collection_handle(w->row->id, handle);
    add_id(w, "Collection");
    add_text(w, "handle", handle);
    add_text(w, "title", handle);
    add_text(w, "sortOrder", w->row->version % 2 == 0 ? "BEST_SELLING" : "MANUAL");
    add_times(w);
}

static void add_customer(const struct writer *w)
{
    char email[64];

    snprintf(email, sizeof email, "customer-%" PRIu64 "@example.org", w->row->id);
    add_id(w, "Customer");
    add_text(w, "firstName", PICK(w, first_names, DICE_FIRST_NAME));
    add_text(w, "lastName", PICK(w, last_names, DICE_LAST_NAME));
    add_text(w, "email", email);
    add_text(w, "city", PICK_NOW(w, cities, DICE_CITY));
    add_number(w, "numberOfOrders", w->row->version + dice(w, DICE_CITY) % 9);
    add_times(w);
}

static void add_line_items(const struct writer *w, uint64_t *total_cents)
{
    uint64_t count = dice(w, DICE_LINES) % 4 + 1, products = w->shop->counts[DEMO_PRODUCTS];

    add_name(w, "lineItems");
    buffer_add_char(w->out, '[');
    for (uint64_t n = 0; n < count; n++) {
        uint64_t thrown = dice(w, DICE_LINE + n);
        uint64_t quantity = thrown % 3 + 1, cents = 500 + (thrown >> 8) % 20000;

        buffer_add_text(w->out, n == 0 ? "{" : ",{");
        add_number(w, "product", products > 0 ? (thrown >> 24) % products + 1 : 0);
        add_number(w, "quantity", quantity);
        add_money(w, "price", cents);
        buffer_add_char(w->out, '}');
        *total_cents += quantity * cents;
    }
    buffer_add_char(w->out, ']');
}

static void add_order(const struct writer *w)
{
    uint64_t customers = w->shop->counts[DEMO_CUSTOMERS], total_cents = 0;
    char name[32];

    snprintf(name, sizeof name, "#%" PRIu64, 1000 + w->row->id);
    add_id(w, "Order");
    add_text(w, "name", name);
    add_number(w, "customer", customers > 0 ? dice(w, DICE_CUSTOMER) % customers + 1 : 0);
    add_text(w, "currency", "EUR");
    add_text(w, "financialStatus", PICK_NOW(w, financial, DICE_LINES));
    add_line_items(w, &total_cents);
    add_money(w, "total", total_cents);
    add_times(w);
}

void demo_document(const struct demo_shop *shop, enum demo_entity entity,
                   const struct demo_row *row, struct buffer *buffer)
{
    static void (*const add[DEMO_ENTITY_COUNT])(const struct writer *) = {
        [DEMO_PRODUCTS] = add_product,
        [DEMO_COLLECTIONS] = add_collection,
        [DEMO_CUSTOMERS] = add_customer,
        [DEMO_ORDERS] = add_order,
    };
    struct writer w = { .shop = shop, .entity = entity, .row = row, .out = buffer };

    buffer_add_char(buffer, '{');
    add[entity](&w);
    buffer_add_char(buffer, '}');
}
