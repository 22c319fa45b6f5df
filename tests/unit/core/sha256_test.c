#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/sha256.h"

static void digest_of(struct bytes bytes, size_t piece, char text[2 * SHA256_SIZE + 1])
{
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];

    sha256_begin(&hash);
    for (size_t done = 0; done < bytes.size; done += piece)
        sha256_add(&hash, bytes_of(bytes.data + done,
                                   bytes.size - done < piece ? bytes.size - done : piece));
    sha256_end(&hash, digest);
    for (int i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* The standard's own examples. */
static void it_is_sha_256(void **state)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
          "lmnopqrsmnopqrstnopqrstu",
          "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
    };
    char text[2 * SHA256_SIZE + 1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        digest_of(bytes_of_text(cases[i].text), 1000, text);
        assert_string_equal(text, cases[i].digest);
    }
}

static void pieces_make_the_same_digest_as_the_whole(void **state)
{
    static uint8_t data[1000];
    char whole[2 * SHA256_SIZE + 1], pieces[2 * SHA256_SIZE + 1];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size < 200; size++) {
        digest_of(bytes_of(data, size), sizeof data, whole);
        for (size_t piece = 1; piece < 130; piece += 9) {
            digest_of(bytes_of(data, size), piece, pieces);
            assert_string_equal(pieces, whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_sha_256),
        cmocka_unit_test(pieces_make_the_same_digest_as_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
