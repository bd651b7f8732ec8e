package imap

// cmdEnable turns on extensions that change what the server may say (RFC 5161). There are none yet, and names that
// mean nothing are passed over (RFC 5161 §3.1).
func (s *session) cmdEnable() error {
	for more := true; more; more = s.p.peek() == ' ' {
		if err := s.p.sp(); err != nil {
			return err
		}
		if _, err := s.p.atom(); err != nil {
			return err
		}
	}
	if err := s.p.end(); err != nil {
		return err
	}
	s.untagged("ENABLED")
	return nil
}
