package interop

import (
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"time"
)

// figures are what one turn of one contender gave.
type figures struct {
	server             string
	connections, round int

	rate     float64       // messages delivered in a second
	p50, p99 time.Duration // of a transaction: from MAIL to the reply after the final dot
	cpu      time.Duration // of the server's processes for a message
	others   float64       // share of the machine that neither the server nor the load took: the kernel's own, and whoever disturbs
}

// newFigures reports the figures to package testing too.
func newFigures(b *testing.B, took []time.Duration, before, after cpuTimes) *figures {
	slices.Sort(took)
	f := &figures{
		rate: float64(len(took)) / b.Elapsed().Seconds(),
		p50:  took[len(took)/2],
		p99:  took[len(took)*99/100],
		cpu:  (after.server - before.server) / time.Duration(len(took)),
	}
	b.ReportMetric(0, "ns/op") // the rate says it better
	b.ReportMetric(f.rate, "msgs/s")
	b.ReportMetric(ms(f.p50), "p50-ms")
	b.ReportMetric(ms(f.p99), "p99-ms")
	if all := after.all - before.all; all > 0 {
		known := after.idle - before.idle + after.server - before.server + after.load - before.load
		f.others = max(0, 1-known.Seconds()/all.Seconds())
		b.ReportMetric(ms(f.cpu), "cpu-ms/msg")
		b.ReportMetric(100*f.others, "%others")
	}
	return f
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// A table is the figures of all turns.
type table []*figures

// write prints medians over the rounds, and the range of the rates.
func (t table) write(w io.Writer) {
	fmt.Fprint(w, "\n| connections | server | msgs/s: median (range) | by the better peer | p50 ms | p99 ms | CPU ms/msg | others' CPU |\n",
		"|---|---|---|---|---|---|---|---|\n")
	for _, turns := range t.grouped() {
		rates := turns.each(func(f *figures) float64 { return f.rate })
		fmt.Fprintf(w, "| %d | %s | %.0f (%.0f-%.0f) | %.2f | %.2f | %.2f | %.2f | %.0f %% |\n",
			turns[0].connections, turns[0].server, median(rates), slices.Min(rates), slices.Max(rates),
			median(turns.each(func(f *figures) float64 { return f.rate / t.betterPeer(f) })),
			median(turns.each(func(f *figures) float64 { return ms(f.p50) })),
			median(turns.each(func(f *figures) float64 { return ms(f.p99) })),
			median(turns.each(func(f *figures) float64 { return ms(f.cpu) })),
			median(turns.each(func(f *figures) float64 { return 100 * f.others })))
	}
}

// grouped returns the turns of one contender at one number of connections together.
func (t table) grouped() []table {
	var groups []table
next:
	for _, f := range t {
		for i, g := range groups {
			if g[0].server == f.server && g[0].connections == f.connections {
				groups[i] = append(g, f)
				continue next
			}
		}
		groups = append(groups, table{f})
	}
	return groups
}

// betterPeer returns the rate of the best server that is not ours in the turns beside f: those of the same round, a moment before or after.
func (t table) betterPeer(f *figures) float64 {
	best := math.NaN()
	for _, g := range t {
		if g.server != contenders[0].name && g.connections == f.connections && g.round == f.round && !(best > g.rate) {
			best = g.rate
		}
	}
	return best
}

func (t table) each(value func(*figures) float64) []float64 {
	var all []float64
	for _, f := range t {
		all = append(all, value(f))
	}
	return all
}

// median returns the middle value, the mean of the middle two where there are two.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
