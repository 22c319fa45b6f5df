// The standard interoperability cases with grpc-go, at either end: an HTTP/2 and
// gRPC implementation that shares no code with the C core or with nghttp2.
//
//	interop_go ADDRESS CASE [CA_FILE]
//	interop_go --server [CERTIFICATE KEY]
package main

import (
	"fmt"
	"os"
)

func argument(index int) string {
	if index < len(os.Args) {
		return os.Args[index]
	}
	return ""
}

func main() {
	defer func() {
		if why := recover(); why != nil {
			fmt.Fprintln(os.Stderr, why)
			os.Exit(1)
		}
	}()
	if argument(1) == "--server" {
		serve(argument(2), argument(3))
		return
	}
	ask(argument(1), argument(2), argument(3))
}
