package mailtest

// Fault says what is wrong with one direction of a connection. The zero value is a sound one. Network.Faults gives them out.
type Fault struct {
	// Kind is what happens once After octets have passed.
	Kind FaultKind

	// After is how many octets pass before Kind happens; zero or less means at once.
	After int64

	// Chunk is the most that one Read returns; 1 makes every octet arrive alone. Zero or less means no limit.
	Chunk int
}

// FaultKind is a way in which a connection goes wrong.
type FaultKind int

// What can happen once Fault.After octets have passed in a direction.
const (
	NoFault FaultKind = iota // nothing
	Cut                      // the reader gets those octets, then both ends get syscall.ECONNRESET
	End                      // the reader gets those octets, then io.EOF; the writer notices nothing
	Stall                    // the rest never arrives; the writer fills the buffer and then waits
	Drop                     // the rest vanishes; the writer notices nothing
)

// passes returns how many of n octets, written after total others, are still untouched by the fault.
func (f Fault) passes(total int64, n int) int {
	if f.Kind == NoFault {
		return n
	}
	return int(min(int64(n), max(f.After-total, 0)))
}
