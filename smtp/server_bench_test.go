package smtp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// BenchmarkServer receives messages over one kept connection and discards them. The client is a few octets' work, so cpu-ns/msg, the
// process's time in user and system mode, is nearly the server's.
func BenchmarkServer(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		for _, network := range []string{"memory", "loopback"} {
			for _, pipelined := range []bool{false, true} {
				name := fmt.Sprintf("size=%d/%s/pipelined=%v", size, network, pipelined)
				b.Run(name, func(b *testing.B) { benchmarkServer(b, dialBench(b, network), size, pipelined) })
			}
		}
	}
}

func dialBench(b *testing.B, network string) net.Conn {
	srv := newTestServer(smtp.HandlerFunc(func(context.Context, *smtp.Transaction, postrider.Content) error { return nil }))
	srv.Logger = slog.New(slog.DiscardHandler)
	var ln net.Listener
	var err error
	dial := (&net.Dialer{}).DialContext
	if network == "memory" {
		n := new(mailtest.Network)
		ln, err = n.Listen("tcp", "192.0.2.1:25")
		dial = n.DialContext
	} else {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	b.Cleanup(func() { srv.Close(); <-served })
	conn, err := dial(b.Context(), "tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}

func benchmarkServer(b *testing.B, conn net.Conn, size int, pipelined bool) {
	r := bufio.NewReader(conn)
	expect := func(n int, code string) {
		for range n {
			line, err := r.ReadSlice('\n')
			for err == nil && line[3] == '-' {
				line, err = r.ReadSlice('\n')
			}
			if err != nil || string(line[:3]) != code {
				b.Fatalf("%q, %v", line, err)
			}
		}
	}
	say := func(p []byte) {
		if _, err := conn.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	expect(1, "220")
	say([]byte("EHLO client.example.net\r\n"))
	expect(1, "250")
	body := benchBody(size)
	envelope := [][]byte{[]byte("MAIL FROM:<bob@example.net>\r\n"), []byte("RCPT TO:<ann@example.org>\r\n"), []byte("DATA\r\n")}
	batch := bytes.Join(envelope, nil)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		if pipelined {
			say(batch)
			expect(2, "250")
		} else {
			say(envelope[0])
			expect(1, "250")
			say(envelope[1])
			expect(1, "250")
			say(envelope[2])
		}
		expect(1, "354")
		say(body)
		expect(1, "250")
	}
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/msg")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// benchBody returns a message of size octets and its final dot.
func benchBody(size int) []byte {
	line := strings.Repeat("x", 76) + "\r\n"
	text := "Subject: benchmark\r\n\r\n" + strings.Repeat(line, size/len(line)+1)
	return []byte(text[:size-2] + "\r\n.\r\n")
}

func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkIdleSession tells what a session costs in memory that has said EHLO and then waits. The client's end of the
// connection, less than 1 KiB, is in it.
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 500
	for b.Loop() {
		srv := newTestServer(smtp.HandlerFunc(func(context.Context, *smtp.Transaction, postrider.Content) error { return nil }))
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(context.Background(), ln) }()
		before := memoryInUse()
		var conns []net.Conn
		for range sessions {
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			conns = append(conns, conn)
			talk(b, conn, "EHLO client.example.net")
		}
		b.ReportMetric(float64(memoryInUse()-before)/sessions, "B/session")
		for _, conn := range conns {
			conn.Close()
		}
		srv.Close()
		<-served
	}
}

func memoryInUse() int64 {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
