#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/service.h"

#include <stdio.h>

static const struct rpc_method one_method[] = { { .name = "Do" } };

static void methods_are_found_by_their_path(void **state)
{
    const struct rpc_service a = { "p.A", one_method, 1, NULL }, b = { "p.B", one_method, 1, NULL };
    struct rpc_registry *registry = rpc_registry_new();
    const struct rpc_service *service;
    size_t count;

    (void)state;
    rpc_registry_add(registry, &a);
    rpc_registry_add(registry, &b);
    assert_ptr_equal(rpc_registry_find(registry, bytes_of_text("/p.A/Do"), &service), one_method);
    assert_ptr_equal(service, &a);
    rpc_registry_find(registry, bytes_of_text("/p.B/Do"), &service);
    assert_ptr_equal(service, &b);
    assert_null(rpc_registry_find(registry, bytes_of_text("/p.A/Undo"), &service));
    assert_null(service);
    assert_null(rpc_registry_find(registry, bytes_of_text("p.A/Do"), &service));
    assert_null(rpc_registry_find(registry, bytes_of_text(""), &service));
    assert_ptr_equal(rpc_registry_services(registry, &count)[1], &b);
    assert_int_equal(count, 2);
    rpc_registry_free(registry);
}

static void a_thousand_services_are_found(void **state)
{
    static struct rpc_service services[1000];
    static char names[1000][16];
    struct rpc_registry *registry = rpc_registry_new();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "s.S%d", i);
        services[i] = (struct rpc_service){ names[i], one_method, 1, NULL };
        rpc_registry_add(registry, &services[i]);
    }
    for (int i = 0; i < 1000; i++) {
        const struct rpc_service *service;
        char path[32];
        snprintf(path, sizeof path, "/s.S%d/Do", i);
        assert_ptr_equal(rpc_registry_find(registry, bytes_of_text(path), &service), one_method);
        assert_ptr_equal(service, &services[i]);
    }
    rpc_registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_found_by_their_path),
        cmocka_unit_test(a_thousand_services_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
