package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/ioutil"
	"sync"
	"time"

	pb "interop/testpb"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

const (
	largeRequest  = 271828
	largeResponse = 314159
	patience      = 20 * time.Second
)

var (
	requestSizes  = []int{27182, 8, 1828, 45904}
	responseSizes = []int32{31415, 9, 2653, 58979}
	address       string
	options       []grpc.DialOption
)

// What fails a case; caught in run().
type failure string

func check(is bool, format string, arguments ...interface{}) {
	if !is {
		panic(failure(fmt.Sprintf(format, arguments...)))
	}
}

func checkOK(err error, what string) {
	check(err == nil, "%s: %v", what, err)
}

func checkCode(err error, code codes.Code) {
	check(status.Code(err) == code, "%v where %v was due", err, code)
}

func payload(size int) *pb.Payload {
	return &pb.Payload{Body: make([]byte, size)}
}

func parameters(sizes ...int32) []*pb.ResponseParameters {
	var all []*pb.ResponseParameters
	for _, size := range sizes {
		all = append(all, &pb.ResponseParameters{Size: size})
	}
	return all
}

func withPatience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// Sizes of the messages that came, as they were and as they travelled.
type arrivals struct {
	lock   sync.Mutex
	length []int
	wire   []int
}

func (a *arrivals) HandleRPC(_ context.Context, event stats.RPCStats) {
	if in, ok := event.(*stats.InPayload); ok {
		a.lock.Lock()
		a.length, a.wire = append(a.length, in.Length), append(a.wire, in.WireLength)
		a.lock.Unlock()
	}
}
func (a *arrivals) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (a *arrivals) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (a *arrivals) HandleConn(context.Context, stats.ConnStats)                       {}

func dial(more ...grpc.DialOption) *grpc.ClientConn {
	connection, err := grpc.Dial(address, append(append([]grpc.DialOption{}, options...), more...)...)
	checkOK(err, "dial")
	return connection
}

func largeUnary(client pb.TestServiceClient, more ...grpc.CallOption) {
	ctx, cancel := withPatience()
	defer cancel()
	answer, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: largeResponse,
		Payload: payload(largeRequest)}, more...)
	checkOK(err, "UnaryCall")
	check(bytes.Equal(answer.Payload.Body, make([]byte, largeResponse)), "another payload came back")
}

func readAll(receive func() (*pb.StreamingOutputCallResponse, error), sizes []int32) {
	for _, size := range sizes {
		answer, err := receive()
		checkOK(err, "Recv")
		check(len(answer.Payload.Body) == int(size), "%d bytes where %d were due", len(answer.Payload.Body), size)
	}
	_, err := receive()
	check(err == io.EOF, "%v at the end", err)
}

func echo(code codes.Code, message string) *pb.EchoStatus {
	return &pb.EchoStatus{Code: int32(code), Message: message}
}

func checkStatus(err error, code codes.Code, message string) {
	checkCode(err, code)
	check(status.Convert(err).Message() == message, "the message is %q", status.Convert(err).Message())
}

func askForStatus(client pb.TestServiceClient, code codes.Code, message string) {
	ctx, cancel := withPatience()
	defer cancel()
	_, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: echo(code, message)})
	checkStatus(err, code, message)
	stream, err := client.FullDuplexCall(ctx)
	checkOK(err, "FullDuplexCall")
	checkOK(stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: echo(code, message)}), "Send")
	checkOK(stream.CloseSend(), "CloseSend")
	_, err = stream.Recv()
	checkStatus(err, code, message)
}

var cases = []struct {
	name string
	run  func(client pb.TestServiceClient)
}{
	{"empty_unary", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		_, err := client.EmptyCall(ctx, &pb.Empty{})
		checkOK(err, "EmptyCall")
	}},
	{"cacheable_unary", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		_, err := client.CacheableUnaryCall(ctx, &pb.SimpleRequest{Payload: payload(10)})
		checkOK(err, "CacheableUnaryCall")
	}},
	{"large_unary", func(client pb.TestServiceClient) { largeUnary(client) }},
	{"client_streaming", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		stream, err := client.StreamingInputCall(ctx)
		checkOK(err, "StreamingInputCall")
		total := 0
		for _, size := range requestSizes {
			checkOK(stream.Send(&pb.StreamingInputCallRequest{Payload: payload(size)}), "Send")
			total += size
		}
		answer, err := stream.CloseAndRecv()
		checkOK(err, "CloseAndRecv")
		check(int(answer.AggregatedPayloadSize) == total, "%d of %d bytes", answer.AggregatedPayloadSize, total)
	}},
	{"server_streaming", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		stream, err := client.StreamingOutputCall(ctx,
			&pb.StreamingOutputCallRequest{ResponseParameters: parameters(responseSizes...)})
		checkOK(err, "StreamingOutputCall")
		readAll(stream.Recv, responseSizes)
	}},
	{"ping_pong", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		stream, err := client.FullDuplexCall(ctx)
		checkOK(err, "FullDuplexCall")
		for i, size := range requestSizes {
			checkOK(stream.Send(&pb.StreamingOutputCallRequest{Payload: payload(size),
				ResponseParameters: parameters(responseSizes[i])}), "Send")
			answer, err := stream.Recv()
			checkOK(err, "Recv")
			check(len(answer.Payload.Body) == int(responseSizes[i]), "another size")
		}
		checkOK(stream.CloseSend(), "CloseSend")
		_, err = stream.Recv()
		check(err == io.EOF, "%v at the end", err)
	}},
	{"empty_stream", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		stream, err := client.FullDuplexCall(ctx)
		checkOK(err, "FullDuplexCall")
		checkOK(stream.CloseSend(), "CloseSend")
		_, err = stream.Recv()
		check(err == io.EOF, "%v at the end", err)
	}},
	{"half_duplex", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		stream, err := client.HalfDuplexCall(ctx)
		checkOK(err, "HalfDuplexCall")
		for i := range requestSizes {
			checkOK(stream.Send(&pb.StreamingOutputCallRequest{
				ResponseParameters: parameters(responseSizes[i])}), "Send")
		}
		checkOK(stream.CloseSend(), "CloseSend")
		readAll(stream.Recv, responseSizes)
	}},
	{"timeout_on_sleeping_server", func(client pb.TestServiceClient) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		stream, err := client.FullDuplexCall(ctx)
		if err == nil {
			_ = stream.Send(&pb.StreamingOutputCallRequest{Payload: payload(27182),
				ResponseParameters: []*pb.ResponseParameters{{Size: 8, IntervalUs: 10000000}}})
			_, err = stream.Recv()
		}
		checkCode(err, codes.DeadlineExceeded)
	}},
	{"cancel_after_begin", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		stream, err := client.StreamingInputCall(ctx)
		checkOK(err, "StreamingInputCall")
		cancel()
		_, err = stream.CloseAndRecv()
		checkCode(err, codes.Canceled)
	}},
	{"cancel_after_first_response", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		stream, err := client.FullDuplexCall(ctx)
		checkOK(err, "FullDuplexCall")
		checkOK(stream.Send(&pb.StreamingOutputCallRequest{Payload: payload(27182),
			ResponseParameters: parameters(31415)}), "Send")
		_, err = stream.Recv()
		checkOK(err, "Recv")
		cancel()
		_, err = stream.Recv()
		checkCode(err, codes.Canceled)
	}},
	{"custom_metadata", func(client pb.TestServiceClient) {
		const text, binary = "test_initial_metadata_value", "\x0a\x0b\x0a\x0b\x0a\x0b"
		sent := metadata.Pairs("x-grpc-test-echo-initial", text, "x-grpc-test-echo-trailing-bin", binary)
		ctx, cancel := withPatience()
		defer cancel()
		ctx = metadata.NewOutgoingContext(ctx, sent)
		var header, trailer metadata.MD
		checkEchoed := func() {
			check(fmt.Sprint(header["x-grpc-test-echo-initial"]) == "["+text+"]", "initial: %v", header)
			check(len(trailer["x-grpc-test-echo-trailing-bin"]) == 1 &&
				trailer["x-grpc-test-echo-trailing-bin"][0] == binary, "trailing: %v", trailer)
		}
		_, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: 1, Payload: payload(1)},
			grpc.Header(&header), grpc.Trailer(&trailer))
		checkOK(err, "UnaryCall")
		checkEchoed()
		stream, err := client.FullDuplexCall(ctx)
		checkOK(err, "FullDuplexCall")
		checkOK(stream.Send(&pb.StreamingOutputCallRequest{ResponseParameters: parameters(1)}), "Send")
		checkOK(stream.CloseSend(), "CloseSend")
		readAll(stream.Recv, []int32{1})
		header, _ = stream.Header()
		trailer = stream.Trailer()
		checkEchoed()
	}},
	{"status_code_and_message", func(client pb.TestServiceClient) {
		askForStatus(client, codes.Unknown, "test status message")
	}},
	{"special_status_message", func(client pb.TestServiceClient) {
		askForStatus(client, codes.Unknown, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")
	}},
	{"unimplemented_method", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		_, err := client.UnimplementedCall(ctx, &pb.Empty{})
		checkCode(err, codes.Unimplemented)
	}},
	{"unimplemented_service", func(pb.TestServiceClient) {
		connection := dial()
		defer connection.Close()
		ctx, cancel := withPatience()
		defer cancel()
		_, err := pb.NewUnimplementedServiceClient(connection).UnimplementedCall(ctx, &pb.Empty{})
		checkCode(err, codes.Unimplemented)
	}},
	{"client_compressed_unary", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		expecting := &pb.SimpleRequest{ResponseSize: largeResponse, Payload: payload(largeRequest),
			ExpectCompressed: &pb.BoolValue{Value: true}}
		_, err := client.UnaryCall(ctx, expecting)
		checkCode(err, codes.InvalidArgument)
		_, err = client.UnaryCall(ctx, expecting, grpc.UseCompressor(gzip.Name))
		checkOK(err, "compressed")
		expecting.ExpectCompressed.Value = false
		_, err = client.UnaryCall(ctx, expecting)
		checkOK(err, "not compressed")
	}},
	{"client_compressed_streaming", func(client pb.TestServiceClient) {
		ctx, cancel := withPatience()
		defer cancel()
		message := &pb.StreamingInputCallRequest{Payload: payload(27182), ExpectCompressed: &pb.BoolValue{Value: true}}
		stream, err := client.StreamingInputCall(ctx)
		checkOK(err, "StreamingInputCall")
		_ = stream.Send(message)
		_, err = stream.CloseAndRecv()
		checkCode(err, codes.InvalidArgument)
		stream, err = client.StreamingInputCall(ctx, grpc.UseCompressor(gzip.Name))
		checkOK(err, "StreamingInputCall")
		for i := 0; i < 3; i++ {
			checkOK(stream.Send(message), "Send")
		}
		answer, err := stream.CloseAndRecv()
		checkOK(err, "CloseAndRecv")
		check(answer.AggregatedPayloadSize == 3*27182, "%d bytes", answer.AggregatedPayloadSize)
	}},
	// This client says nowhere that it accepts gzip, so it must not be sent any, asked for or not.
	{"server_does_not_compress_for_who_accepts_nothing", func(pb.TestServiceClient) {
		seen := &arrivals{}
		connection := dial(grpc.WithStatsHandler(seen))
		defer connection.Close()
		ctx, cancel := withPatience()
		defer cancel()
		_, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, &pb.SimpleRequest{
			ResponseSize: largeResponse, ResponseCompressed: &pb.BoolValue{Value: true}})
		checkOK(err, "UnaryCall")
		check(seen.wire[0] >= seen.length[0], "%d bytes of %d travelled", seen.wire[0], seen.length[0])
	}},
	{"slow_consumer", func(client pb.TestServiceClient) {
		const count, size = 64, 100000
		ctx, cancel := withPatience()
		defer cancel()
		sizes := make([]int32, count)
		for i := range sizes {
			sizes[i] = size
		}
		slow, err := client.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{ResponseParameters: parameters(sizes...)})
		checkOK(err, "StreamingOutputCall")
		for i := 0; i < 20; i++ { // on the same connection, beside one that nobody reads
			largeUnary(client)
		}
		readAll(slow.Recv, sizes)
	}},
	{"rpc_soak", func(client pb.TestServiceClient) {
		for i := 0; i < 200; i++ {
			largeUnary(client)
		}
	}},
	{"channel_soak", func(pb.TestServiceClient) {
		for i := 0; i < 50; i++ {
			connection := dial()
			largeUnary(pb.NewTestServiceClient(connection))
			connection.Close()
		}
	}},
	{"a_hundred_calls_at_once", func(client pb.TestServiceClient) {
		var all sync.WaitGroup
		wrong := make(chan interface{}, 100)
		for i := 0; i < 100; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				defer func() {
					if why := recover(); why != nil {
						wrong <- why
					}
				}()
				largeUnary(client, grpc.UseCompressor(gzip.Name))
			}()
		}
		all.Wait()
		check(len(wrong) == 0, "%d calls failed", len(wrong))
	}},
}

func security(ca string) grpc.DialOption {
	if ca == "" {
		return grpc.WithInsecure()
	}
	pem, err := ioutil.ReadFile(ca)
	checkOK(err, ca)
	pool := x509.NewCertPool()
	check(pool.AppendCertsFromPEM(pem), "%s has no certificate", ca)
	return grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool}))
}

// Runs a case; panics with what is wrong.
func ask(where, name, ca string) {
	address = where
	options = []grpc.DialOption{security(ca), grpc.WithBlock(), grpc.WithTimeout(patience)}
	for _, each := range cases {
		if each.name != name {
			continue
		}
		connection := dial()
		defer connection.Close()
		each.run(pb.NewTestServiceClient(connection))
		return
	}
	check(false, "there is no case %s", name)
}
