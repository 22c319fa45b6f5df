#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/json/duration.h"
#include "rpc/enum_word.h"
#include "gateway/uri.h"
#include "grpc/health/v1/health.pb-c.h"
#include "sync/v1/sync.pb-c.h"

static void durations_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        { "30", 30000 },          { "0", 0 },
        { "1.5", 1500 },          { "0.0009", 0 },
        { "PT90S", 90000 },       { "PT1H2M3.5S", 3723500 },
        { "P1DT12H", 129600000 }, { "P2W", 1209600000 },
        { "P1W1D", 691200000 },   { "PT0S", 0 },
        { "PT0.25S", 250 },       { "P1D", 86400000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;

        assert_true(duration_read(cases[i].text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "-1",
        "1e3",
        "1.",
        ".5",
        "5s",
        " 5",
        "P",
        "PT",
        "P1Y",
        "P1M",
        "1H",
        "PT1H1H",
        "PT1M1H",
        "P1H",
        "PT1D",
        "P1DT",
        "PT1.5H",
        "P-1D",
        "PTT1S",
        "P1D5S",
        "PT1S ",
        "99999999999999999999",
        "PT99999999999999H",
        "P999999999999W",
    };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(duration_read(texts[i], &ms));
}

static void durations_are_written_so_that_they_read_back(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { 0, "PT0S" },       { 500, "PT0.500S" },    { 90000, "PT1M30S" },
        { 3600000, "PT1H" }, { 129600000, "PT36H" }, { 3723005, "PT1H2M3.005S" },
    };
    char text[DURATION_TEXT_SIZE];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        duration_write(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
        assert_true(duration_read(text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void enum_values_have_the_words_of_the_document(void **state)
{
    static const struct {
        const ProtobufCEnumDescriptor *type;
        int32_t value;
        const char *word;
    } cases[] = {
        { &sync__v1__job_status__descriptor, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED, "queued" },
        { &sync__v1__job_priority__descriptor, SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_HIGH, "high" },
        { &sync__v1__on_duplicate__descriptor, SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_COALESCE,
          "coalesce" },
        { &sync__v1__schedule_overlap__descriptor,
          SYNC__V1__SCHEDULE_OVERLAP__SCHEDULE_OVERLAP_BUFFER_ONE, "bufferOne" },
        { &sync__v1__schedule_overlap__descriptor,
          SYNC__V1__SCHEDULE_OVERLAP__SCHEDULE_OVERLAP_CANCEL_OTHER, "cancelOther" },
        { &sync__v1__wait_reason__descriptor, SYNC__V1__WAIT_REASON__WAIT_REASON_EARLIER_RUN,
          "earlier_run" },
        { &sync__v1__wait_reason__descriptor, SYNC__V1__WAIT_REASON__WAIT_REASON_NO_WORKER,
          "no_worker" },
        { &grpc__health__v1__health_check_response__serving_status__descriptor, 2, "notServing" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char word[ENUM_WORD_MAX];
        int32_t value = -1;

        assert_true(enum_word_write(cases[i].type, cases[i].value, word));
        assert_string_equal(word, cases[i].word);
        assert_true(enum_word_read(cases[i].type, word, &value));
        assert_int_equal(value, cases[i].value);
    }
}

static void absence_has_no_word(void **state)
{
    char word[ENUM_WORD_MAX], list[80];
    int32_t value;

    (void)state;
    assert_false(enum_word_write(&sync__v1__job_type__descriptor, 0, word));
    assert_false(enum_word_write(&sync__v1__job_type__descriptor, 99, word));
    assert_false(enum_word_read(&sync__v1__job_type__descriptor, "unspecified", &value));
    assert_false(enum_word_read(&sync__v1__job_type__descriptor, "FULL", &value));
    assert_false(enum_word_read(&sync__v1__job_type__descriptor, "", &value));
    enum_word_list(&sync__v1__job_type__descriptor, list, sizeof list);
    assert_string_equal(list, "full, incremental, entity, scheduled");
    enum_word_list(&sync__v1__job_type__descriptor, list, 10);
    assert_string_equal(list, "full, inc");
}

static struct arena *mem;

static int open_mem(void **state)
{
    (void)state;
    mem = arena_new(100000);
    return mem == NULL;
}

static int close_mem(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static void a_target_is_cut_first_and_decoded_once(void **state)
{
    struct uri uri;

    (void)state;
    assert_int_equal(
        uri_parse("/sync/pause/a%2Fb%2541+c?reason=to+be%26or&wait=5&empty", mem, &uri, NULL), OK);
    assert_int_equal(uri.segment_count, 3);
    assert_string_equal(uri.segments[2], "a/b%41+c");
    assert_int_equal(uri.parameter_count, 3);
    assert_string_equal(uri.parameters[0].name, "reason");
    assert_string_equal(uri.parameters[0].value, "to be&or");
    assert_string_equal(uri.parameters[1].value, "5");
    assert_string_equal(uri.parameters[2].name, "empty");
    assert_string_equal(uri.parameters[2].value, "");
}

static void hostile_targets_are_refused(void **state)
{
    static const char *const targets[] = {
        "/a%",  "/a%4",    "/a%zz",    "/a%00b", "/a%0a",      "/a%7f",
        "/%ff", "/%c0%af", "/a?b=%1f", "/a?%=1", "/%ed%a0%80",
    };
    struct uri uri;

    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_int_equal(uri_parse(targets[i], mem, &uri, NULL), ERR_INVALID);
}

static void a_target_has_a_bounded_number_of_parts(void **state)
{
    char target[400] = "/a?";
    struct uri uri;

    (void)state;
    assert_int_equal(uri_parse("/1/2/3/4/5/6/7/8/9", mem, &uri, NULL), OK);
    assert_true(uri.too_many_segments);
    for (int i = 0; i <= QUERY_PARAMETERS_MAX; i++)
        strcat(target, "a=b&");
    assert_int_equal(uri_parse(target, mem, &uri, NULL), ERR_INVALID);
}

int main(void)
{
#define WITH_MEM(name) cmocka_unit_test_setup_teardown(name, open_mem, close_mem)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(durations_are_written_so_that_they_read_back),
        cmocka_unit_test(enum_values_have_the_words_of_the_document),
        cmocka_unit_test(absence_has_no_word),
        WITH_MEM(a_target_is_cut_first_and_decoded_once),
        WITH_MEM(hostile_targets_are_refused),
        WITH_MEM(a_target_has_a_bounded_number_of_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
