package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	pb "interop/testpb"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	_ "google.golang.org/grpc/encoding/gzip" // so that it is understood
)

const (
	initialKey  = "x-grpc-test-echo-initial"
	trailingKey = "x-grpc-test-echo-trailing-bin"
)

type server struct {
	pb.UnimplementedTestServiceServer
}

func echoMetadata(ctx context.Context, setHeader func(metadata.MD) error, setTrailer func(metadata.MD)) {
	received, _ := metadata.FromIncomingContext(ctx)
	if values := received[initialKey]; len(values) > 0 {
		_ = setHeader(metadata.Pairs(initialKey, values[0]))
	}
	if values := received[trailingKey]; len(values) > 0 {
		setTrailer(metadata.Pairs(trailingKey, values[0]))
	}
}

func wanted(echo *pb.EchoStatus) error {
	if echo == nil || echo.Code == 0 {
		return nil
	}
	return status.Error(codes.Code(echo.Code), echo.Message)
}

func (server) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) { return &pb.Empty{}, nil }

func (server) UnaryCall(ctx context.Context, request *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	echoMetadata(ctx, func(md metadata.MD) error { return grpc.SetHeader(ctx, md) },
		func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) })
	if err := wanted(request.ResponseStatus); err != nil {
		return nil, err
	}
	return &pb.SimpleResponse{Payload: payload(int(request.ResponseSize))}, nil
}

func (s server) CacheableUnaryCall(ctx context.Context, request *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return s.UnaryCall(ctx, request)
}

func sendAll(send func(*pb.StreamingOutputCallResponse) error, all []*pb.ResponseParameters) error {
	for _, each := range all {
		time.Sleep(time.Duration(each.IntervalUs) * time.Microsecond)
		if err := send(&pb.StreamingOutputCallResponse{Payload: payload(int(each.Size))}); err != nil {
			return err
		}
	}
	return nil
}

func (server) StreamingOutputCall(request *pb.StreamingOutputCallRequest, stream pb.TestService_StreamingOutputCallServer) error {
	return sendAll(stream.Send, request.ResponseParameters)
}

func (server) StreamingInputCall(stream pb.TestService_StreamingInputCallServer) error {
	total := 0
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)})
		}
		if err != nil {
			return err
		}
		total += len(request.GetPayload().GetBody())
	}
}

func (server) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	echoMetadata(stream.Context(), stream.SetHeader, stream.SetTrailer)
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = wanted(request.ResponseStatus)
		}
		if err == nil {
			err = sendAll(stream.Send, request.ResponseParameters)
		}
		if err != nil {
			return err
		}
	}
}

func (server) HalfDuplexCall(stream pb.TestService_HalfDuplexCallServer) error {
	var all []*pb.ResponseParameters
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return sendAll(stream.Send, all)
		}
		if err != nil {
			return err
		}
		all = append(all, request.ResponseParameters...)
	}
}

// Prints where it listens; ends when it is told to.
func serve(certificate, key string) {
	var options []grpc.ServerOption
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		checkOK(err, certificate)
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	checkOK(err, "listen")
	all := grpc.NewServer(options...)
	pb.RegisterTestServiceServer(all, &server{})
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-told
		all.Stop()
	}()
	fmt.Println(listener.Addr())
	checkOK(all.Serve(listener), "serve")
}
