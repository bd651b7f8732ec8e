package mailtest

import (
	"testing"

	"golang.org/x/net/nettest"
	"net"
)

func TestConnBehavesAsNetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server := Pipe()
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}
