package smtp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// BenchmarkClient sends messages over one kept connection to a server that only counts dots, so that the time is the client's and
// the network's.
func BenchmarkClient(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		for _, network := range []string{"memory", "loopback"} {
			for _, offer := range []string{"PIPELINING", "HELP"} {
				b.Run(fmt.Sprintf("size=%d/%s/%s", size, network, strings.ToLower(offer)), func(b *testing.B) {
					benchmarkClient(b, size, clientBenchConn(b, network, offer))
				})
			}
		}
	}
}

func benchmarkClient(b *testing.B, size int, conn net.Conn) {
	d := smtp.Dialer{Hostname: "client.example.net", Logger: slog.New(slog.DiscardHandler)}
	c, err := d.NewClient(context.Background(), conn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	line := strings.Repeat("x", 76) + "\r\n"
	content := postrider.String(strings.Repeat(line, size/len(line)))
	env := &postrider.Envelope{
		ReversePath: postrider.Address{Local: "ann", Domain: "example.net"},
		Recipients:  []postrider.Recipient{{ForwardPath: postrider.Address{Local: "bob", Domain: "example.org"}}},
		Body:        postrider.Body8BitMIME,
	}
	ctx := b.Context()
	b.SetBytes(content.Size())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(ctx, env, content); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func clientBenchConn(b *testing.B, network, offer string) net.Conn {
	var near, far net.Conn
	if network == "memory" {
		near, far = mailtest.Pipe()
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
			b.Fatal(err)
		}
		if far, err = l.Accept(); err != nil {
			b.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		clientBareSink(far, offer)
	}()
	b.Cleanup(func() { near.Close(); <-done })
	return near
}

// clientBareSink is the least of a server that keeps a client going.
func clientBareSink(conn net.Conn, offer string) {
	defer conn.Close()
	r, w := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	w.WriteString("220 sink\r\n")
	for inData := false; ; {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		switch {
		case err != nil:
			return
		case inData:
			if inData = !bytes.Equal(line, []byte(".\r\n")); !inData {
				w.WriteString("250 kept\r\n")
			}
		case bytes.HasPrefix(line, []byte("EHLO")):
			w.WriteString("250-sink\r\n250-8BITMIME\r\n250 " + offer + "\r\n")
		case bytes.HasPrefix(line, []byte("DATA")):
			inData = true
			w.WriteString("354 go\r\n")
		default:
			w.WriteString("250 ok\r\n")
		}
	}
}
