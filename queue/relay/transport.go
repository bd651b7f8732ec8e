package relay

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/smtp"
)

// A Transport is a queue.Transport that speaks SMTP to the next server. The zero Transport asks the
// system's DNS servers and needs no setting but, for real mail, Hostname.
//
// Its methods may be called by many goroutines at once. The fields must not change once Deliver was
// called.
type Transport struct {
	// Hostname is what this server calls itself in EHLO, a fully qualified domain name, and one of
	// SelfNames. Empty means the address literal of each connection's own end (RFC 5321 §4.1.1.1).
	Hostname string
	// Resolver finds the hosts. Nil means a resolve.DNS that asks the system's servers.
	Resolver resolve.Resolver
	// Port is the port of servers whose next hop names none. Zero means 25.
	Port int
	// Network is "ip4" or "ip6" to use one family of addresses only. Anything else means both.
	Network string
	// DialContext opens connections: set it to choose a source address, or to go through a proxy. The address is
	// always an IP address with a port. Nil means the zero net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLSConfig is how sessions are encrypted. Its RootCAs decide about certificates where those matter, see REQUIRETLS in the
	// package's comment; its ServerName is not used. Nil means the zero tls.Config.
	TLSConfig *tls.Config
	// Timeouts bounds each step of a session. What is zero is as smtp.ClientTimeouts says, but for Connect, where
	// zero means 30 seconds, since there are more addresses to try.
	Timeouts smtp.ClientTimeouts

	// SelfNames are further names of this system, and SelfAddrs its addresses, those in front of a NAT included: mail is not
	// relayed to them, nor to hosts that are not better (RFC 5321 §5.1).
	SelfNames []string
	SelfAddrs []netip.Addr
	// MaxHosts is how many hosts of a domain are tried, the best first. Zero or less means 5.
	MaxHosts int
	// MaxAddrs is how many addresses of each host are tried, those of both families in turn. Zero or less means 2, so that
	// also a single host is tried at two (RFC 5321 §5.1).
	MaxAddrs int
	// Shuffle orders hosts of equal preference and the addresses of a host; many goroutines may call it. Nil means
	// math/rand/v2's.
	Shuffle func(n int, swap func(i, j int))

	// IdleTimeout is how long a session is kept for the next message. Zero means 5 seconds; negative keeps none.
	IdleTimeout time.Duration
	// MaxIdle is how many idle sessions are kept. Zero means 100; negative keeps none.
	MaxIdle int
	// MaxIdlePerServer is how many of them may be with one server. Zero means 10; negative keeps none.
	MaxIdlePerServer int
	// MaxMessages is how many messages go over one session. Zero or less means 100.
	MaxMessages int

	// Logger gets a line for each session that failed, at level Info, and at level Debug for those that did not. What
	// became of each recipient is for the queue's Runner to log. Nil means slog.Default.
	Logger *slog.Logger
	// Transcript, if not nil, is called with each line of all sessions, as smtp.Dialer.Transcript is, and the server's address.
	// Many goroutines may call it.
	Transcript func(server netip.AddrPort, line string)

	start    sync.Once
	pool     pool
	life     context.Context // ends with Close
	end      context.CancelFunc
	resolver resolve.Resolver
	system   *resolve.DNS // the one made where Resolver is nil
	dialer   smtp.Dialer
}

var _ queue.Transport = (*Transport)(nil)

// Deliver brings a message to the next server, by as few sessions and transactions as the servers allow, and says for each recipient
// what became of it. The package's comment tells where it goes, what is tried, and what counts as failed.
func (t *Transport) Deliver(ctx context.Context, a *queue.Attempt) []queue.Outcome {
	t.start.Do(t.setUp)
	d := newDelivery(t, a)
	if !t.pool.enter() {
		d.failRest(failure{status: statusClosed})
		return d.outcomes
	}
	defer t.pool.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	d.run(ctx)
	return d.outcomes
}

// Close interrupts what Deliver is doing, says goodbye on the idle sessions, and returns when no connection and no goroutine is left,
// which takes no longer than Timeouts.Quit. What is given to Deliver from then on is deferred. Closing again does nothing.
func (t *Transport) Close() error {
	t.start.Do(t.setUp)
	t.end()
	t.pool.close()
	if t.system != nil {
		return t.system.Close()
	}
	return nil
}

func (t *Transport) setUp() {
	t.life, t.end = context.WithCancel(context.Background())
	t.pool.idleTimeout = orDefault(t.IdleTimeout, 5*time.Second)
	t.pool.max = orDefault(t.MaxIdle, 100)
	t.pool.perServer = orDefault(t.MaxIdlePerServer, 10)
	t.pool.maxMessages = atLeastOne(t.MaxMessages, 100)
	if t.resolver = t.Resolver; t.resolver == nil {
		t.system = new(resolve.DNS)
		t.resolver = t.system
	}
	t.dialer = smtp.Dialer{Hostname: t.Hostname, DialContext: t.DialContext, Timeouts: t.Timeouts, Logger: t.Logger}
	if t.TLSConfig != nil {
		t.dialer.TLSConfig = t.TLSConfig.Clone()
		t.dialer.TLSConfig.ServerName = ""
	}
	t.dialer.Timeouts.Connect = orDefault(t.Timeouts.Connect, 30*time.Second)
}

func (t *Transport) log() *slog.Logger {
	if t.Logger != nil {
		return t.Logger
	}
	return slog.Default()
}

func orDefault[T int | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

func atLeastOne(v, zero int) int {
	if v <= 0 {
		return zero
	}
	return v
}
