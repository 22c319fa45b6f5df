#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>

#include "gateway/http_holdings.h"
#include "gateway/http_places.h"
#include "gateway/limits.h"

/* Who must go when there is no room: for one more connection, or for one more
 * byte. */

enum { MAX = 8, ADDRESS_MAX = 6 };

static struct http_places places;
static struct http_place all[32];
static size_t used;

static int setup(void **state)
{
    (void)state;
    used = 0;
    places = (struct http_places){ .max = MAX, .address_max = ADDRESS_MAX };
    return http_places_init(&places) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < used; i++)
        if (all[i].address != NULL)
            http_place_give_back(&places, &all[i]);
    http_places_free(&places);
    return 0;
}

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = { .ss_family = AF_INET };
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&address;

    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)(void *)&address)->sin_addr) == 1)
        return address;
    address.ss_family = AF_INET6;
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    return address;
}

static struct http_place *take(const char *text)
{
    struct sockaddr_storage address = address_of(text);
    struct http_place *place = &all[used++];

    assert_true(http_place_take(&places, (struct sockaddr *)&address, place));
    return place;
}

static struct http_place *take_and_wait(const char *text)
{
    struct http_place *place = take(text);

    http_place_wait(&places, place);
    return place;
}

static struct http_place *victim;
static enum http_refusal refusal;

static enum http_welcome ask(const char *text)
{
    struct sockaddr_storage address = address_of(text);

    return http_places_ask(&places, (struct sockaddr *)&address, &victim, &refusal);
}

static void who_waits_the_longest_makes_room(void **state)
{
    struct http_place *first = take_and_wait("10.0.0.1"), *second = take_and_wait("10.0.0.2");

    (void)state;
    while (places.count < MAX) {
        assert_int_equal(ask("10.0.0.3"), HTTP_SERVE);
        take_and_wait("10.0.0.3");
    }
    assert_int_equal(ask("10.0.0.4"), HTTP_MAKE_ROOM);
    assert_ptr_equal(victim, first);
    http_place_wait(&places, first); /* it has had an answer, and waits anew */
    assert_int_equal(ask("10.0.0.4"), HTTP_MAKE_ROOM);
    assert_ptr_equal(victim, second);
    http_place_linger(&places, first);
    assert_int_equal(ask("10.0.0.4"), HTTP_MAKE_ROOM);
    assert_ptr_equal(victim, first);
}

static void who_is_served_keeps_its_place(void **state)
{
    (void)state;
    while (places.count < MAX)
        take(places.count % 2 == 0 ? "10.0.0.1" : "10.0.0.2");
    assert_int_equal(ask("10.0.0.3"), HTTP_TURN_AWAY);
    assert_int_equal(refusal, HTTP_REFUSED_FULL);
    while (places.count < MAX + MAX / 8 + 1)
        take("10.0.0.3");
    assert_int_equal(ask("10.0.0.3"), HTTP_DROP);
}

static void one_address_cannot_have_everything(void **state)
{
    struct http_place *own;

    (void)state;
    take_and_wait("10.0.0.2");
    own = take_and_wait("10.0.0.1");
    while (places.count < ADDRESS_MAX + 1)
        take_and_wait("10.0.0.1");
    assert_int_equal(ask("10.0.0.1"), HTTP_MAKE_ROOM);
    assert_ptr_equal(victim, own);
    assert_int_equal(ask("10.0.0.3"), HTTP_SERVE);
    for (size_t i = 0; i < used; i++)
        http_place_busy(&all[i]);
    assert_int_equal(ask("10.0.0.1"), HTTP_TURN_AWAY);
    assert_int_equal(refusal, HTTP_REFUSED_ADDRESS);
}

static void one_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    for (int i = 0; i < ADDRESS_MAX; i++)
        take(i % 2 == 0 ? "2001:db8:0:1::1" : "2001:db8:0:1:ffff::2");
    assert_int_equal(ask("2001:db8:0:1::3"), HTTP_TURN_AWAY);
    assert_int_equal(ask("2001:db8:0:2::3"), HTTP_SERVE);
}

static void ipv4_is_the_same_however_it_comes(void **state)
{
    (void)state;
    for (int i = 0; i < ADDRESS_MAX; i++)
        take(i % 2 == 0 ? "::ffff:10.0.0.1" : "10.0.0.1");
    assert_int_equal(ask("10.0.0.1"), HTTP_TURN_AWAY);
    assert_int_equal(ask("::ffff:10.0.0.1"), HTTP_TURN_AWAY);
    assert_int_equal(ask("::ffff:10.0.0.2"), HTTP_SERVE);
}

static void many_addresses_are_told_apart_and_forgotten(void **state)
{
    struct http_place one[500];
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        struct sockaddr_storage address;

        snprintf(text, sizeof text, "10.1.%u.%u", i / 250, i % 250);
        address = address_of(text);
        assert_true(http_place_take(&places, (struct sockaddr *)&address, &one[i]));
        http_place_wait(&places, &one[i]);
    }
    for (unsigned i = 0; i < 500; i++)
        http_place_give_back(&places, &one[(i * 7) % 500]);
    assert_int_equal(places.count, 0);
    for (uint32_t i = 0; i <= places.mask; i++)
        assert_null(places.buckets[i]);
}

static struct http_holdings holdings;
static struct http_holding a, b, c;

static int setup_holdings(void **state)
{
    (void)state;
    holdings = (struct http_holdings){ .max = 100 };
    http_holdings_init(&holdings);
    http_holding_init(&a);
    http_holding_init(&b);
    http_holding_init(&c);
    return 0;
}

static void memory_is_taken_from_who_has_kept_some_the_longest(void **state)
{
    (void)state;
    http_holding_set(&holdings, &a, 30);
    http_holding_set(&holdings, &b, 30);
    http_holding_set(&holdings, &c, 40);
    assert_null(http_holdings_victim(&holdings, &c));
    http_holding_set(&holdings, &a, 31);
    assert_ptr_equal(http_holdings_victim(&holdings, &c), &a);
    assert_ptr_equal(http_holdings_victim(&holdings, &a), &b);
    http_holding_set(&holdings, &a, 0); /* it was read */
    http_holding_set(&holdings, &a, 50);
    assert_ptr_equal(http_holdings_victim(&holdings, &a), &b);
    http_holding_set(&holdings, &b, 0);
    assert_null(http_holdings_victim(&holdings, &a));
}

static void nobody_makes_room_for_himself(void **state)
{
    (void)state;
    http_holding_set(&holdings, &a, 101);
    assert_true(http_holdings_are_full(&holdings));
    assert_null(http_holdings_victim(&holdings, &a));
}

static void work_does_not_cost_those_anything_who_keep_little(void **state)
{
    (void)state;
    http_holding_set(&holdings, &a, 50);
    holdings.at_work = 51;
    assert_true(http_holdings_are_full(&holdings));
    assert_null(http_holdings_victim(&holdings, &b));
    http_holding_set(&holdings, &b, 1);
    assert_ptr_equal(http_holdings_victim(&holdings, &b), &a);
}

static void limits_that_nobody_sets_have_a_default(void **state)
{
    const struct http_limits none = { .connections = 10, .idle_ms = 5 };
    struct http_limits limits = http_limits_or_default(&none);

    (void)state;
    assert_int_equal(limits.connections, 10);
    assert_int_equal(limits.connections_per_address, 8);
    assert_int_equal(limits.watches, 5);
    assert_int_equal(limits.idle_ms, 5);
    assert_int_equal(limits.head_ms, HTTP_HEAD_MS);
    assert_int_equal(limits.body_bytes, HTTP_BODY_BYTES);
}

int main(void)
{
#define PLACES(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define HOLDINGS(name) cmocka_unit_test_setup(name, setup_holdings)
    const struct CMUnitTest tests[] = {
        PLACES(who_waits_the_longest_makes_room),
        PLACES(who_is_served_keeps_its_place),
        PLACES(one_address_cannot_have_everything),
        PLACES(one_network_of_ipv6_is_one_address),
        PLACES(ipv4_is_the_same_however_it_comes),
        PLACES(many_addresses_are_told_apart_and_forgotten),
        HOLDINGS(memory_is_taken_from_who_has_kept_some_the_longest),
        HOLDINGS(nobody_makes_room_for_himself),
        HOLDINGS(work_does_not_cost_those_anything_who_keep_little),
        cmocka_unit_test(limits_that_nobody_sets_have_a_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
