//go:build race

package wire

// raceEnabled makes the exhaustive tests shorter under the race detector, which has nothing to find in them.
const raceEnabled = true
