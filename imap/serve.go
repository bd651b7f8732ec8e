package imap

import (
	"context"
	"errors"
	"net"

	"github.com/postrider/postrider/internal/serve"
)

// Serve accepts connections from ln and serves them until Shutdown, Close, or the end of
// ctx, which is as Close for this listener alone. It returns when the sessions that it
// began have ended: ErrServerClosed, or the cause of ctx's end. If ln fails, it
// returns ln's error at once, and its sessions go on until Shutdown or Close. Wrong
// fields of s are reported together before the first Accept. Serve closes ln in any case.
//
// A connection of ln that is a *tls.Conn is served as one of ServeTLS.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, false)
}

// ServeTLS is Serve where TLS comes first, as on the port imaps (RFC 8314 §3.2). It needs
// TLSConfig.
func (s *Server) ServeTLS(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, true)
}

func (s *Server) serve(ctx context.Context, ln net.Listener, implicit bool) error {
	set, err := s.settle()
	if err == nil && implicit && s.TLSConfig == nil {
		err = errors.New("imap: ServeTLS needs Server.TLSConfig")
	}
	if err != nil {
		ln.Close()
		return err
	}
	return s.group.Serve(ctx, ln, implicit, &serve.Options{
		Closed: ErrServerClosed,
		Begin: func(ctx context.Context, conn net.Conn, tls bool) serve.Session {
			return newSession(ctx, s, set, conn, tls)
		},
		MaxSessions:  set.maxSessions,
		MaxPerClient: set.maxPerClient,
		Refusal:      "* BYE [UNAVAILABLE] too many sessions, try again later\r\n",
		Logger:       set.log,
	})
}

// Shutdown stops accepting, says BYE to the sessions that wait for a command or are in IDLE, and lets
// the others finish theirs. It returns when all have ended. If ctx ends before, it closes what is left as
// Close does and returns the cause. When it returns, no goroutine of the server lives and no
// listener, connection or mailbox is open.
func (s *Server) Shutdown(ctx context.Context) error { return s.group.Shutdown(ctx, ErrServerClosed) }

// Close stops accepting, closes all connections, ends the contexts of what runs for them,
// and waits for it to return.
func (s *Server) Close() error {
	s.group.Close(ErrServerClosed)
	return nil
}
