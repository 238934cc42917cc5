// Command go serves probe.v1.ProbeService/Unary as a Go service would, with the usual interceptor that verifies a JWT
// for each call, or without. It prints its address and tokens that it lets in.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const issuer, audience = "https://issuer.test", "orders"

func unary(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	request := new(emptypb.Empty)
	if err := decode(request); err != nil {
		return nil, err
	}
	handle := func(context.Context, any) (any, error) { return new(emptypb.Empty), nil }
	if intercept == nil {
		return handle(ctx, request)
	}
	return intercept(ctx, request, &grpc.UnaryServerInfo{FullMethod: "/probe.v1.ProbeService/Unary"}, handle)
}

// verify is what go-grpc-middleware's documentation has one write.
func verify(key *ecdsa.PublicKey) auth.AuthFunc {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience))
	return func(ctx context.Context) (context.Context, error) {
		bearer, err := auth.AuthFromMD(ctx, "bearer")
		if err != nil {
			return nil, err
		}
		claims := new(jwt.RegisteredClaims)
		if _, err := parser.ParseWithClaims(bearer, claims, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
			return nil, status.Error(codes.Unauthenticated, "bad credential")
		}
		return ctx, nil
	}
}

func tokens(key *ecdsa.PrivateKey) (all []string) {
	for i := 0; i < 1000; i++ {
		token, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: fmt.Sprintf("user-%d", i),
			IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
		}).SignedString(key)
		if err != nil {
			panic(err)
		}
		all = append(all, token)
	}
	return all
}

func main() {
	check := flag.Bool("check", false, "verify the token of each call")
	flag.Parse()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	var options []grpc.ServerOption
	if *check {
		options = append(options, grpc.UnaryInterceptor(auth.UnaryServerInterceptor(verify(&key.PublicKey))))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "probe.v1.ProbeService",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
	}, struct{}{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	said, _ := json.Marshal(map[string]any{"address": listener.Addr().String(), "bearers": tokens(key)})
	fmt.Println(string(said))
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, os.Interrupt)
	go func() { <-stopped; server.Stop() }()
	if err := server.Serve(listener); err != nil {
		panic(err)
	}
}
