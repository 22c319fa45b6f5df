#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>

#include "rpc/holdings.h"
#include "rpc/places.h"

/* Who must go when there is no room: for one more connection, or for one more
 * byte. */

enum { MAX = 8, ADDRESS_MAX = 6 };

static struct places places;
static struct place all[32];
static size_t used;

static int setup(void **state)
{
    (void)state;
    used = 0;
    places = (struct places){ .max = MAX, .address_max = ADDRESS_MAX };
    return places_init(&places) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < used; i++)
        if (all[i].address != NULL)
            place_give_back(&places, &all[i]);
    places_free(&places);
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

static struct place *take(const char *text)
{
    struct sockaddr_storage address = address_of(text);
    struct place *place = &all[used++];

    assert_true(place_take(&places, (struct sockaddr *)&address, place));
    return place;
}

static struct place *take_and_wait(const char *text)
{
    struct place *place = take(text);

    place_wait(&places, place);
    return place;
}

static struct place *victim;
static enum place_refusal refusal;

static enum welcome ask(const char *text)
{
    struct sockaddr_storage address = address_of(text);

    return places_ask(&places, (struct sockaddr *)&address, &victim, &refusal);
}

static void who_waits_the_longest_makes_room(void **state)
{
    struct place *first = take_and_wait("10.0.0.1"), *second = take_and_wait("10.0.0.2");

    (void)state;
    while (places.count < MAX) {
        assert_int_equal(ask("10.0.0.3"), WELCOME_SERVE);
        take_and_wait("10.0.0.3");
    }
    assert_int_equal(ask("10.0.0.4"), WELCOME_MAKE_ROOM);
    assert_ptr_equal(victim, first);
    place_wait(&places, first); /* it has had an answer, and waits anew */
    assert_int_equal(ask("10.0.0.4"), WELCOME_MAKE_ROOM);
    assert_ptr_equal(victim, second);
    place_linger(&places, first);
    assert_int_equal(ask("10.0.0.4"), WELCOME_MAKE_ROOM);
    assert_ptr_equal(victim, first);
}

static void who_is_served_keeps_its_place(void **state)
{
    (void)state;
    while (places.count < MAX)
        take(places.count % 2 == 0 ? "10.0.0.1" : "10.0.0.2");
    assert_int_equal(ask("10.0.0.3"), WELCOME_TURN_AWAY);
    assert_int_equal(refusal, PLACE_REFUSED_FULL);
    while (places.count < MAX + MAX / 8 + 1)
        take("10.0.0.3");
    assert_int_equal(ask("10.0.0.3"), WELCOME_DROP);
}

static void one_address_cannot_have_everything(void **state)
{
    struct place *own;

    (void)state;
    take_and_wait("10.0.0.2");
    own = take_and_wait("10.0.0.1");
    while (places.count < ADDRESS_MAX + 1)
        take_and_wait("10.0.0.1");
    assert_int_equal(ask("10.0.0.1"), WELCOME_MAKE_ROOM);
    assert_ptr_equal(victim, own);
    assert_int_equal(ask("10.0.0.3"), WELCOME_SERVE);
    for (size_t i = 0; i < used; i++)
        place_busy(&all[i]);
    assert_int_equal(ask("10.0.0.1"), WELCOME_TURN_AWAY);
    assert_int_equal(refusal, PLACE_REFUSED_ADDRESS);
}

static void one_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    for (int i = 0; i < ADDRESS_MAX; i++)
        take(i % 2 == 0 ? "2001:db8:0:1::1" : "2001:db8:0:1:ffff::2");
    assert_int_equal(ask("2001:db8:0:1::3"), WELCOME_TURN_AWAY);
    assert_int_equal(ask("2001:db8:0:2::3"), WELCOME_SERVE);
}

static void ipv4_is_the_same_however_it_comes(void **state)
{
    (void)state;
    for (int i = 0; i < ADDRESS_MAX; i++)
        take(i % 2 == 0 ? "::ffff:10.0.0.1" : "10.0.0.1");
    assert_int_equal(ask("10.0.0.1"), WELCOME_TURN_AWAY);
    assert_int_equal(ask("::ffff:10.0.0.1"), WELCOME_TURN_AWAY);
    assert_int_equal(ask("::ffff:10.0.0.2"), WELCOME_SERVE);
}

static void many_addresses_are_told_apart_and_forgotten(void **state)
{
    struct place one[500];
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        struct sockaddr_storage address;

        snprintf(text, sizeof text, "10.1.%u.%u", i / 250, i % 250);
        address = address_of(text);
        assert_true(place_take(&places, (struct sockaddr *)&address, &one[i]));
        place_wait(&places, &one[i]);
    }
    for (unsigned i = 0; i < 500; i++)
        place_give_back(&places, &one[(i * 7) % 500]);
    assert_int_equal(places.count, 0);
    for (uint32_t i = 0; i <= places.mask; i++)
        assert_null(places.buckets[i]);
}

static struct holdings holdings;
static struct holding a, b, c;

static int setup_holdings(void **state)
{
    (void)state;
    holdings = (struct holdings){ .max = 100 };
    holdings_init(&holdings);
    holding_init(&a);
    holding_init(&b);
    holding_init(&c);
    return 0;
}

static void memory_is_taken_from_who_has_kept_some_the_longest(void **state)
{
    (void)state;
    holding_set(&holdings, &a, 30);
    holding_set(&holdings, &b, 30);
    holding_set(&holdings, &c, 40);
    assert_null(holdings_victim(&holdings, &c));
    holding_set(&holdings, &a, 31);
    assert_ptr_equal(holdings_victim(&holdings, &c), &a);
    assert_ptr_equal(holdings_victim(&holdings, &a), &b);
    holding_set(&holdings, &a, 0); /* it was read */
    holding_set(&holdings, &a, 50);
    assert_ptr_equal(holdings_victim(&holdings, &a), &b);
    holding_set(&holdings, &b, 0);
    assert_null(holdings_victim(&holdings, &a));
}

static void nobody_makes_room_for_himself(void **state)
{
    (void)state;
    holding_set(&holdings, &a, 101);
    assert_true(holdings_are_full(&holdings));
    assert_null(holdings_victim(&holdings, &a));
}

static void who_keeps_the_most_may_be_asked_for_instead(void **state)
{
    (void)state;
    holding_set(&holdings, &a, 40);
    holding_set(&holdings, &b, 60);
    assert_null(holdings_largest(&holdings)); /* there is room */
    holding_set(&holdings, &a, 41);
    assert_ptr_equal(holdings_largest(&holdings), &b);
    holding_set(&holdings, &b, 0);
    assert_null(holdings_largest(&holdings));
}

static void work_does_not_cost_those_anything_who_keep_little(void **state)
{
    (void)state;
    holding_set(&holdings, &a, 50);
    holdings.at_work = 51;
    assert_true(holdings_are_full(&holdings));
    assert_null(holdings_victim(&holdings, &b));
    holding_set(&holdings, &b, 1);
    assert_ptr_equal(holdings_victim(&holdings, &b), &a);
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
        HOLDINGS(who_keeps_the_most_may_be_asked_for_instead),
        HOLDINGS(work_does_not_cost_those_anything_who_keep_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
