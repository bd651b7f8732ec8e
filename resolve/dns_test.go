package resolve_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

func TestDNSKeepsThePromisesOverSockets(t *testing.T) {
	t.Parallel()
	resolvetest.Run(t, func(t *testing.T, z *resolvetest.Zone) resolve.Resolver {
		s := resolvetest.Start(t, z)
		return closing(t, &resolve.DNS{Servers: []string{s.Addr()}, TrustAD: true, TryTimeout: time.Second, Timeout: 2 * time.Second})
	})
}

func TestDNSKeepsThePromisesInMemory(t *testing.T) {
	t.Parallel()
	resolvetest.Run(t, func(t *testing.T, z *resolvetest.Zone) resolve.Resolver {
		return overMemory(t, resolvetest.NewServer(z), &resolve.DNS{TrustAD: true, TryTimeout: time.Second, Timeout: 2 * time.Second})
	})
}

func TestDNSKeepsThePromisesWithoutCacheAndWithoutTrust(t *testing.T) {
	t.Parallel()
	resolvetest.Run(t, func(t *testing.T, z *resolvetest.Zone) resolve.Resolver {
		return overMemory(t, resolvetest.NewServer(z), &resolve.DNS{CacheSize: -1, TryTimeout: time.Second, Timeout: 2 * time.Second})
	})
}

// The server only hands out the first alias of a chain.
func TestDNSKeepsThePromisesWithPartialChains(t *testing.T) {
	t.Parallel()
	resolvetest.Run(t, func(t *testing.T, z *resolvetest.Zone) resolve.Resolver {
		s := resolvetest.NewServer(z)
		s.Partial = true
		return overMemory(t, s, &resolve.DNS{TrustAD: true, TryTimeout: time.Second, Timeout: 2 * time.Second})
	})
}

// overMemory lets d ask s without a network.
func overMemory(t testing.TB, s *resolvetest.Server, d *resolve.DNS) *resolve.DNS {
	t.Helper()
	t.Cleanup(func() { s.Close() })
	d.Servers = append(d.Servers, "192.0.2.53")
	d.Dial = s.Dial
	return closing(t, d)
}

func closing(t testing.TB, d *resolve.DNS) *resolve.DNS {
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// noDial fails the test when the resolver asks anyone.
func noDial(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, address string) (net.Conn, error) {
		t.Errorf("asked %s over %s", address, network)
		return nil, net.ErrClosed
	}
}
