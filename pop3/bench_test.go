package pop3

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// benchmarkServer serves a maildrop of n messages of 4 KiB on loopback, and returns a session.
func benchmarkServer(b *testing.B, n int) (net.Conn, *bufio.Reader) {
	f := new(fakeStore)
	text := "Subject: benchmark\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 57)
	for range n {
		f.deliver("ann", text)
	}
	s := newServer(f)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		conn.Close()
		s.Close()
		<-served
	})
	r := bufio.NewReaderSize(conn, 64<<10)
	fmt.Fprintf(conn, "USER ann\r\nPASS secret\r\n")
	for range 3 {
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "+OK") {
			b.Fatal(line, err)
		}
	}
	return conn, r
}

// readText reads a response up to its dot.
func readText(b *testing.B, r *bufio.Reader) (octets int64) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		octets += int64(len(line))
		if bytes.Equal(line, []byte(".\r\n")) {
			return octets
		}
	}
}

func BenchmarkRetrOneByOne(b *testing.B) {
	conn, r := benchmarkServer(b, 100)
	i := 0
	var size int64
	for b.Loop() {
		i++
		fmt.Fprintf(conn, "RETR %d\r\n", i%100+1)
		size = readText(b, r)
	}
	b.SetBytes(size)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

func BenchmarkRetrPipelined(b *testing.B) {
	conn, r := benchmarkServer(b, 100)
	const batch = 100
	var commands strings.Builder
	for i := range batch {
		fmt.Fprintf(&commands, "RETR %d\r\n", i+1)
	}
	messages := 0
	var size int64
	for b.Loop() {
		go io.WriteString(conn, commands.String())
		size = 0
		for range batch {
			size += readText(b, r)
		}
		messages += batch
	}
	b.SetBytes(size)
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "msgs/s")
}

func BenchmarkUidlOf100000(b *testing.B) {
	conn, r := benchmarkServer(b, 100_000)
	for b.Loop() {
		io.WriteString(conn, "UIDL\r\n")
		b.SetBytes(readText(b, r))
	}
}
