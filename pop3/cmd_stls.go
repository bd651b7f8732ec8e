package pop3

import "crypto/tls"

// cmdStls turns to TLS and forgets what the client said before (RFC 2595 §4). What the
// client sent behind the command came in the clear, from whomever: it ends the session.
func (s *session) cmdStls() {
	switch {
	case s.tls != nil:
		s.protest("TLS is active already")
		return
	case s.server.TLSConfig == nil:
		s.protest("TLS is not available")
		return
	case s.in.Buffered() > 0:
		s.sendErr(failure{text: "nothing may follow STLS in the clear, closing the connection"})
		s.end(errInjected)
		return
	}
	s.ok("begin TLS")
	if err := s.out.Flush(); err != nil {
		s.end(err)
		return
	}
	s.user = nil
	s.handshake(tls.Server(s.raw, s.server.TLSConfig))
}
