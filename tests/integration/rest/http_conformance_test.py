"""The gateway's HTTP/1.1 by RFC 9112 and 9110, on raw bytes and the real syncd.

Each case is a name, what is sent, and the statuses of all that is answered. The
connection of a case that ENDS is closed, and what is behind its error, a job to
be queued, is not read; one that STAYS answers another request.
"""

import os
import sys
import unittest

import raw_http

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402

ENDS, STAYS = "ends", "stays"
JOB = b'{"name":"x","type":"full","data":{"source":"a","target":"b"}}'
QUEUE = b"POST /sync/queue HTTP/1.1\r\nHost: localhost\r\norgid: %s\r\n"
SMUGGLED = QUEUE % b"smuggled" + b"Content-Length: %d\r\n\r\n%s" % (len(JOB), JOB)
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def get(*headers, target=b"/sync", line=None, host=b"Host: a\r\n"):
    line = line if line is not None else b"GET " + target + b" HTTP/1.1\r\n"
    return line + host + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


def post(*headers, body=b""):
    return QUEUE % b"known" + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def length(value, body=JOB):
    return post(b"Content-Length: " + value, body=body)


def coding(*values, body=b"0\r\n\r\n"):
    return post(*(b"Transfer-Encoding: " + value for value in values), body=body)


def chunks(body, size=b"%x" % len(JOB)):
    """A whole request whose first chunk is the job, written as `body` says."""
    return coding(b"chunked", body=body.replace(b"SIZE", size).replace(b"JOB", JOB))


SECTIONS = {
    "request lines": [
        ("a plain GET", get(), [200], STAYS),
        ("the root is there", get(target=b"/"), [200], STAYS),
        ("a method in lower case", get(line=b"get /sync HTTP/1.1\r\n"), [501], STAYS),
        ("a method nobody knows", get(line=b"BREW /sync HTTP/1.1\r\n"), [501], STAYS),
        ("an unknown method where there is nothing", get(line=b"BREW /x HTTP/1.1\r\n"), [501],
         STAYS),
        ("a method that is no token", get(line=b"G@T /sync HTTP/1.1\r\n"), [400], ENDS),
        ("a method of 100 KB", get(line=b"A" * 100000 + b" / HTTP/1.1\r\n"), [400], ENDS),
        ("two spaces before the target", get(line=b"GET  /sync HTTP/1.1\r\n"), [400], ENDS),
        ("two spaces before the version", get(line=b"GET /sync  HTTP/1.1\r\n"), [400], ENDS),
        ("a space behind the version", get(line=b"GET /sync HTTP/1.1 \r\n"), [400], ENDS),
        ("a tab instead of a space", get(line=b"GET\t/sync HTTP/1.1\r\n"), [400], ENDS),
        ("no target", get(line=b"GET HTTP/1.1\r\n"), [400], ENDS),
        ("a space in the target", get(target=b"/sy nc"), [400], ENDS),
        ("a prefix before the method", get(line=b"Extra lineGET / HTTP/1.1\r\n"), [400], ENDS),
        ("HTTP/0.9", b"GET /sync\r\n", [400], ENDS),
        ("no version but a space", b"GET /sync \r\n\r\n", [400], ENDS),
        ("HTTP/1.2 is read as HTTP/1.1", get(line=b"GET /sync HTTP/1.2\r\n"), [200], STAYS),
        ("HTTP/2.0", get(line=b"GET /sync HTTP/2.0\r\n"), [505], ENDS),
        ("HTTP/9.9", get(line=b"GET /sync HTTP/9.9\r\n"), [505], ENDS),
        ("HTTP/1 without a minor version", get(line=b"GET /sync HTTP/1\r\n"), [400], ENDS),
        ("HTTP/01.01", get(line=b"GET /sync HTTP/01.01\r\n"), [400], ENDS),
        ("HTTP/1.10", get(line=b"GET /sync HTTP/1.10\r\n"), [400], ENDS),
        ("a space in the version", get(line=b"GET /sync HTTP/ 1.1\r\n"), [400], ENDS),
        ("a version in lower case", get(line=b"GET /sync http/1.1\r\n"), [400], ENDS),
        ("another protocol", get(line=b"GET /sync RTSP/1.0\r\n"), [400], ENDS),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505], ENDS),
        ("a target of 8000 bytes", get(target=b"/" + b"a" * 7980), [404], STAYS),
        ("a target of 100 KB", get(target=b"/" + b"a" * 100000), [414], ENDS),
        ("two empty lines before it", b"\r\n\r\n" + get(), [200], STAYS),
        ("a hundred empty lines before it", b"\r\n" * 100 + get(), [400], ENDS),
        ("a lone LF before it", b"\n" + get(), [400], ENDS),
        ("blanks instead of a request line", b"   \r\n\r\n", [400], ENDS),
        ("garbage", bytes(range(128, 256)) + b"\r\n\r\n", [400], ENDS),
        ("the first bytes of a TLS handshake",
         b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400], ENDS),
    ],
    "targets": [
        ("absolute form", get(target=b"http://a/sync"), [200], STAYS),
        ("absolute form, HTTPS and a port", get(target=b"https://a:8470/sync"), [200], STAYS),
        ("absolute form for another host than Host's", get(target=b"http://b/sync"), [200], STAYS),
        ("an organisation's data under a name of somebody else",
         get(b"orgid: known", target=b"/sync/info", host=b"Host: evil.example:8470\r\n"), [421],
         STAYS),
        ("an organisation's data under this machine's name",
         get(b"orgid: known", target=b"/sync/info", host=b"Host: localhost:8470\r\n"), [200],
         STAYS),
        ("absolute form without a path", get(target=b"http://a"), [200], STAYS),
        ("absolute form with a query in place of a path", get(target=b"http://a?x=/sync"), [400],
         STAYS),
        ("absolute form with a user", get(target=b"http://u@a/sync"), [400], ENDS),
        ("absolute form without a host", get(target=b"http:///sync"), [400], ENDS),
        ("absolute form of another scheme", get(target=b"ftp://a/sync"), [400], ENDS),
        ("authority form with GET", get(target=b"a:80"), [400], ENDS),
        ("a relative path", get(target=b"sync"), [400], ENDS),
        ("asterisk form with GET", get(target=b"*"), [400], ENDS),
        ("a fragment", get(target=b"/sync#x"), [400], ENDS),
        ("a backslash", get(target=b"/sync\\x"), [400], ENDS),
        ("a NUL", get(target=b"/sync\0"), [400], ENDS),
        ("a control character", get(target=b"/sync\x01"), [400], ENDS),
        ("a byte beyond ASCII", get(target="/café".encode()), [400], ENDS),
        ("broken percent-encoding", get(target=b"/sync/jobs/%zz"), [400], STAYS),
        ("half a percent-encoding", get(target=b"/sync/jobs/%4"), [400], STAYS),
        ("an encoded NUL", get(target=b"/sync%00"), [400], STAYS),
        ("an encoded line end", get(target=b"/sync%0d%0aX:%20y"), [400], STAYS),
        ("encoded bytes that are no UTF-8", get(target=b"/sync/jobs/%ff"), [400], STAYS),
        ("UTF-8 that is longer than it must be", get(target=b"/sync/jobs/%c0%af"), [400], STAYS),
        ("an encoded slash divides nothing", get(target=b"/sync%2finfo"), [404], STAYS),
        ("dots are no folders", get(target=b"/sync/../sync"), [404], STAYS),
        ("two slashes", get(target=b"//sync"), [404], STAYS),
    ],
    "methods": [
        ("HEAD", get(line=b"HEAD /sync HTTP/1.1\r\n"), [200], STAYS),
        ("HEAD of what is not there", get(line=b"HEAD /nothing HTTP/1.1\r\n"), [404], STAYS),
        ("HEAD with a body", get(b"Content-Length: 5", line=b"HEAD /sync HTTP/1.1\r\n") + b"hello",
         [400], STAYS),
        ("GET with a body", get(b"Content-Length: 5") + b"hello", [400], STAYS),
        ("OPTIONS", get(line=b"OPTIONS /sync HTTP/1.1\r\n"), [204], STAYS),
        ("OPTIONS with a body",
         get(b"Content-Length: 5", line=b"OPTIONS /sync HTTP/1.1\r\n") + b"hello", [204], STAYS),
        ("OPTIONS of everything", get(line=b"OPTIONS * HTTP/1.1\r\n"), [204], STAYS),
        ("OPTIONS of what is not there", get(line=b"OPTIONS /nothing HTTP/1.1\r\n"), [404], STAYS),
        ("TRACE", get(line=b"TRACE /sync HTTP/1.1\r\n"), [405], STAYS),
        ("PUT", get(line=b"PUT /sync HTTP/1.1\r\n"), [405], STAYS),
        ("PATCH", get(line=b"PATCH /sync/queue HTTP/1.1\r\n"), [405], STAYS),
        ("DELETE of the root", get(line=b"DELETE / HTTP/1.1\r\n"), [405], STAYS),
        ("CONNECT", get(line=b"CONNECT a:443 HTTP/1.1\r\n"), [501], ENDS),
        ("POST without a body", post(), [400], STAYS),
        ("POST with a body of no bytes", length(b"0", b""), [400], STAYS),
    ],
    "headers": [
        ("names in any case, a tab before the value", get(b"uPgRaDe-x:\ty"), [200], STAYS),
        ("an empty value", get(b"X-Empty:"), [200], STAYS),
        ("a value of blanks", get(b"X-Empty:  \t "), [200], STAYS),
        ("bytes beyond ASCII in a value", get("X: é".encode()), [200], STAYS),
        ("a space before the colon", get(b"X : y"), [400], ENDS),
        ("a tab before the colon", get(b"X\t: y"), [400], ENDS),
        ("a space in a name", get(b"Bad Name: y"), [400], ENDS),
        ("brackets in a name", get(b"X[]: y"), [400], ENDS),
        ("bytes beyond ASCII in a name", get("Xé: y".encode()), [400], ENDS),
        ("an empty name", get(b": y"), [400], ENDS),
        ("no colon", get(b"NoColon"), [400], ENDS),
        ("a folded line", get(b"X: y\r\n z"), [400], ENDS),
        ("a line folded by a tab", get(b"X: y\r\n\tz"), [400], ENDS),
        ("a blank before the first header", get(host=b" Host: a\r\n"), [400], ENDS),
        ("a line of blanks before the headers", get(host=b" \r\nHost: a\r\n"), [400], ENDS),
        ("a NUL in a value", get(b"X: a\0b"), [400], ENDS),
        ("a NUL in a name", get(b"X\0: a"), [400], ENDS),
        ("a bell in a value", get(b"X: a\x07"), [400], ENDS),
        ("a DEL in a value", get(b"X: a\x7f"), [400], ENDS),
        ("a lone CR in a value", get(b"X: a\rb"), [400], ENDS),
        ("a lone CR before a header", get(b"\rX: a"), [400], ENDS),
        ("a lone CR behind the request line", get(line=b"GET /sync HTTP/1.1\r"), [400], ENDS),
        ("a lone LF behind the request line", get(line=b"GET /sync HTTP/1.1\n"), [400], ENDS),
        ("a lone LF behind a header", get(host=b"Host: a\n"), [400], ENDS),
        ("lone LFs everywhere", b"GET /sync HTTP/1.1\nHost: a\n\n", [400], ENDS),
        ("63 headers and Host", get(*[b"X: y"] * 63), [200], STAYS),
        ("64 headers and Host", get(*[b"X: y"] * 64), [431], ENDS),
        ("10,000 headers", get(*[b"X: y"] * 10000), [431], ENDS),
        ("a value of 100 KB", get(b"X: " + b"y" * 100000), [431], ENDS),
        ("a name of 100 KB", get(b"X" * 100000 + b": y"), [431], ENDS),
        ("two of a header that must be one", get(b"orgid: b", b"orgid: a", target=b"/sync/info"),
         [400], STAYS),
        ("two Content-Types",
         post(b"Content-Type: text/plain", b"Content-Type: application/json",
              b"Content-Length: %d" % len(JOB), body=JOB), [400], STAYS),
    ],
    "Host": [
        ("none", get(host=b""), [400], ENDS),
        ("two", get(host=b"Host: a\r\nHost: b\r\n"), [400], ENDS),
        ("the same twice", get(host=b"Host: a\r\nHost: a\r\n"), [400], ENDS),
        ("an empty one", get(host=b"Host: \r\n"), [400], ENDS),
        ("a space in it", get(host=b"Host: a b\r\n"), [400], ENDS),
        ("a comma in it", get(host=b"Host: a,b\r\n"), [400], ENDS),
        ("a user in it", get(host=b"Host: u@a\r\n"), [400], ENDS),
        ("a path in it", get(host=b"Host: a/b\r\n"), [400], ENDS),
        ("a port that is no number", get(host=b"Host: a:b\r\n"), [400], ENDS),
        ("IPv6 and a port", get(host=b"Host: [::1]:8470\r\n"), [200], STAYS),
        ("no bracket behind IPv6", get(host=b"Host: [::1\r\n"), [400], ENDS),
    ],
    "Content-Length": [
        ("the right one", length(b"%d" % len(JOB)), [200], STAYS),
        ("blanks around it", length(b" \t%d \t" % len(JOB)), [200], STAYS),
        ("two that differ", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
         [400], ENDS),
        ("two that are the same", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
         [400], ENDS),
        ("a list of the same", length(b"5, 5", b"hello"), [400], ENDS),
        ("a list that differs", length(b"5, 6", b"hello!"), [400], ENDS),
        ("a sign", length(b"+5", b"hello"), [400], ENDS),
        ("a negative one", length(b"-5", b"hello"), [400], ENDS),
        ("minus zero", length(b"-0", b""), [400], ENDS),
        ("hexadecimal", length(b"0x5", b"hello"), [400], ENDS),
        ("octal", length(b"0o5", b"hello"), [400], ENDS),
        ("a leading zero", length(b"05", b"hello"), [400], ENDS),
        ("two zeros", length(b"00", b""), [400], ENDS),
        ("an underscore", length(b"1_0", b"helloworld"), [400], ENDS),
        ("a space inside", length(b"1 0", b"helloworld"), [400], ENDS),
        ("a fraction", length(b"5.0", b"hello"), [400], ENDS),
        ("letters", length(b"abc", b""), [400], ENDS),
        ("nothing", length(b"", b""), [400], ENDS),
        ("more than 64 bits", length(b"99999999999999999999", b""), [400], ENDS),
        ("minus more than 64 bits", length(b"-123456789123456789123456789", b""), [400], ENDS),
        ("2^64 and the right one", length(b"%d" % (2 ** 64 + len(JOB))), [400], ENDS),
        ("more than the limit", length(b"1048577", b""), [413], ENDS),
        ("almost 64 bits", length(b"999999999999999999", b""), [413], ENDS),
    ],
    "Transfer-Encoding": [
        ("chunked", chunks(b"SIZE\r\nJOB\r\n0\r\n\r\n"), [200], STAYS),
        ("chunked in another case", coding(b"ChUnKeD"), [400], STAYS),
        ("beside Content-Length", post(b"Content-Length: 5", b"Transfer-Encoding: chunked",
                                       body=b"0\r\n\r\n"), [400], ENDS),
        ("before Content-Length", post(b"Transfer-Encoding: chunked", b"Content-Length: 30",
                                       body=b"0\r\n\r\n"), [400], ENDS),
        ("twice", coding(b"chunked", b"chunked"), [400], ENDS),
        ("chunked and identity", coding(b"chunked", b"identity"), [400], ENDS),
        ("chunked, chunked", coding(b"chunked, chunked"), [400], ENDS),
        ("chunked is not the last", coding(b"chunked, gzip"), [400], ENDS),
        ("gzip, chunked", coding(b"gzip, chunked"), [501], ENDS),
        ("gzip", coding(b"gzip"), [400], ENDS),
        ("identity", coding(b"identity"), [400], ENDS),
        ("xchunked", coding(b"xchunked"), [400], ENDS),
        ("chunkedx", coding(b"chunkedx"), [400], ENDS),
        ("with a parameter", coding(b"chunked;q=1"), [400], ENDS),
        ("in quotes", coding(b'"chunked"'), [400], ENDS),
        ("a comma before it", coding(b", chunked"), [501], ENDS),
        ("a comma behind it", coding(b"chunked,"), [400], ENDS),
        ("nothing", coding(b""), [400], ENDS),
        ("a vertical tab before it", coding(b"\x0bchunked"), [400], ENDS),
        ("a form feed before it", coding(b"\x0cchunked"), [400], ENDS),
        ("a NUL behind it", coding(b"chunked\0"), [400], ENDS),
        ("folded", coding(b"\r\n chunked"), [400], ENDS),
        ("a space before the colon", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
         [400], ENDS),
        ("in HTTP/1.0", b"POST /sync/queue HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         [400], ENDS),
        ("an underscore is another header", post(b"Transfer_Encoding: chunked",
                                                 b"Content-Length: %d" % len(JOB), body=JOB),
         [200], STAYS),
    ],
    "chunks": [
        ("several", chunks(b"1\r\n{\r\nSIZE\r\nJOB\r\n0\r\n\r\n".replace(b"JOB", JOB[1:]),
                           b"%x" % (len(JOB) - 1)), [200], STAYS),
        ("digits in upper case", chunks(b"SIZE\r\nJOB\r\n0\r\n\r\n", b"%X" % len(JOB)), [200],
         STAYS),
        ("leading zeros", chunks(b"00SIZE\r\nJOB\r\n000\r\n\r\n"), [200], STAYS),
        ("an extension", chunks(b'SIZE;a;b=c;d="e;\\"f"\r\nJOB\r\n0;x\r\n\r\n'), [200], STAYS),
        ("a trailer", chunks(b"SIZE\r\nJOB\r\n0\r\nX-Sum: 1\r\n\r\n"), [200], STAYS),
        ("trailers that say how long it is", chunks(
            b"SIZE\r\nJOB\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n"), [200],
         STAYS),
        ("a size that is no number", chunks(b"z\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("no size", chunks(b"\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a signed size", chunks(b"+SIZE\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a negative size", chunks(b"-1\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a size with 0x", chunks(b"0xSIZE\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("an underscore in the size", chunks(b"1_0\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a space before the size", chunks(b" SIZE\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a space behind the size", chunks(b"SIZE \r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a size of 64 bits and more", chunks(b"10000000000000003d\r\nJOB\r\n0\r\n\r\n"), [400],
         ENDS),
        ("a size above the limit", chunks(b"100001\r\nJOB"), [413], ENDS),
        ("chunks that add up to more than the limit",
         coding(b"chunked", body=b"80000\r\n" + b" " * 0x80000 + b"\r\n80001\r\n"), [413], ENDS),
        ("a lone LF behind the size", chunks(b"SIZE\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a lone CR behind the size", chunks(b"SIZE\rJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a lone LF behind the data", chunks(b"SIZE\r\nJOB\n0\r\n\r\n"), [400], ENDS),
        ("nothing behind the data", chunks(b"SIZE\r\nJOB0\r\n\r\n"), [400], ENDS),
        ("more data than the size", chunks(b"SIZE\r\nJOB!!\r\n0\r\n\r\n"), [400], ENDS),
        ("a lone LF at the end", chunks(b"SIZE\r\nJOB\r\n0\r\n\n"), [400], ENDS),
        ("an extension without a name", chunks(b"SIZE;\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("an extension that is no token", chunks(b"SIZE;a[=b\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("an extension with blanks", chunks(b"SIZE; a = b\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a lone LF in an extension", chunks(b"SIZE;\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a lone CR in an extension", chunks(b"SIZE;a\rX\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("a NUL in an extension", chunks(b"SIZE;a\0\r\nJOB\r\n0\r\n\r\n"), [400], ENDS),
        ("an extension of 64 KB", chunks(b"SIZE;" + b"a" * 65536 + b"\r\nJOB\r\n0\r\n\r\n"), [400],
         ENDS),
        ("extensions of 64 KB in small pieces",
         coding(b"chunked", body=(b"1;" + b"a" * 200 + b"\r\n \r\n") * 320), [400], ENDS),
        ("a trailer that is no header", chunks(b"SIZE\r\nJOB\r\n0\r\nBad Name: x\r\n\r\n"), [400],
         ENDS),
        ("a folded trailer", chunks(b"SIZE\r\nJOB\r\n0\r\nX: y\r\n z\r\n\r\n"), [400], ENDS),
        ("a bell in a trailer", chunks(b"SIZE\r\nJOB\r\n0\r\nX: \x07\r\n\r\n"), [400], ENDS),
        ("trailers without end", chunks(b"SIZE\r\nJOB\r\n0\r\n" + b"X: y\r\n" * 10000), [400], ENDS),
    ],
    "expectations": [
        ("100-continue with the body at hand", post(b"Expect: 100-continue",
                                                    b"Content-Length: %d" % len(JOB), body=JOB),
         [200], STAYS),
        ("100-continue without a body", get(b"Expect: 100-continue"), [200], STAYS),
        ("another expectation", get(b"Expect: 200-ok"), [417], ENDS),
        ("two expectations", get(b"Expect: 100-continue", b"Expect: tea"), [417], ENDS),
        ("100-continue of more than the limit", post(b"Expect: 100-continue",
                                                     b"Content-Length: 1048577"), [413], ENDS),
    ],
    "connections": [
        ("close", get(b"Connection: close"), [200], ENDS),
        ("close among others", get(b"Connection: x, Close"), [200], ENDS),
        ("HTTP/1.0", b"GET /sync HTTP/1.0\r\n\r\n", [200], ENDS),
        ("HTTP/1.0 with keep-alive", b"GET /sync HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200],
         STAYS),
        ("HTTP/1.0 expects nothing",
         b"GET /sync HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", [200], ENDS),
        ("an upgrade to h2c is ignored",
         get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
         [200], STAYS),
        ("an upgrade to WebSocket is ignored",
         get(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"), [200],
         STAYS),
        ("three requests at once", get() + get(target=b"/nothing") + get(), [200, 404, 200], STAYS),
        ("an error in the middle ends it", get() + get(b"X : y") + get(), [200, 400], ENDS),
        ("a body of the wrong length is the next request's mistake",
         length(b"%d" % (len(JOB) - 1)) + get(), [400, 400], ENDS),
    ],
}


class ConformanceTest(unittest.TestCase):
    """The tests are made of the table, one for each case."""

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Sync()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def run_case(self, data, statuses, then):
        method = data.lstrip().partition(b" ")[0].decode("latin-1")
        with raw_http.Connection(self.server.http) as connection:
            connection.send(data + (SMUGGLED if then == ENDS else b""))
            answers = [connection.receive(method) for _ in statuses]
            self.assertEqual([answer.status for answer in answers], statuses, answers)
            if then == ENDS:
                self.assertEqual(answers[-1].headers["connection"], "close")
                self.assertTrue(connection.is_closed())
            else:
                self.assertEqual(answers[-1].headers["connection"], "keep-alive")
                connection.send(ALIVE)
                self.assertEqual(connection.receive().status, 200)
            self.check_shape(method, answers)

    def check_shape(self, method, answers):
        for answer in answers:
            self.assertRegex(answer.headers["date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
            if answer.status in (204, 405):
                self.assertIn("OPTIONS", answer.headers["allow"])
            if answer.status == 204:
                self.assertNotIn("content-length", answer.headers)
            elif answer.status >= 400 and method != "HEAD":
                self.assertIn(b'"statusCode":%d,' % answer.status, answer.body)

    def test_nothing_behind_an_error_was_read(self):
        """Named so that it runs after all cases."""
        status, answer = self.server.ask("GET", "/sync/jobs", org="smuggled")
        self.assertEqual((status, answer["jobs"]), (200, []))

    def test_a_request_may_be_cut_anywhere(self):
        request = post(b"Transfer-Encoding: chunked",
                       body=b"%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(JOB), JOB))
        for cut in range(1, len(request)):
            with raw_http.Connection(self.server.http) as connection:
                connection.send(request[:cut])
                connection.send(request[cut:])
                self.assertEqual(connection.receive().status, 200, request[:cut])

    def test_100_continue_is_said_when_the_body_waits_for_it(self):
        with raw_http.Connection(self.server.http) as connection:
            connection.send(post(b"Expect: 100-continue", b"Content-Length: %d" % len(JOB)))
            self.assertEqual(connection.receive().status, 100)
            connection.send(JOB)
            self.assertEqual(connection.receive().status, 200)

    def test_a_body_that_is_cut_off_does_nothing(self):
        for data in (length(b"%d" % (len(JOB) + 1)), chunks(b"SIZE\r\nJOB\r\n")):
            with raw_http.Connection(self.server.http) as connection:
                connection.send(data.replace(b"orgid: known", b"orgid: smuggled"))
                connection.socket.shutdown(1)
                self.assertTrue(connection.is_closed())


def add_cases():
    for section, cases in SECTIONS.items():
        for name, data, statuses, then in cases:
            def test(self, data=data, statuses=statuses, then=then):
                self.run_case(data, statuses, then)
            title = "test_case_" + f"{section}: {name}".replace(" ", "_")
            assert not hasattr(ConformanceTest, title), title
            setattr(ConformanceTest, title, test)


add_cases()

if __name__ == "__main__":
    harness.main()
