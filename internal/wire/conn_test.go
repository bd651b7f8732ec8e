package wire

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A peer that sends an octet every four minutes.
func drip(c net.Conn, octets int) {
	for range octets {
		time.Sleep(4 * time.Minute)
		if _, err := c.Write([]byte{'x'}); err != nil {
			return
		}
	}
}

func TestReadWithinIsForTheWholeStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		var dripping sync.WaitGroup
		defer dripping.Wait()
		defer b.Close()
		dripping.Go(func() { drip(a, 3) })
		c, start := NewConn(b), time.Now()
		c.ReadWithin(5 * time.Minute)
		_, err := NewReader(c).ReadLine(512)
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestReadEachIsForEachRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		var dripping sync.WaitGroup
		defer dripping.Wait()
		defer b.Close()
		dripping.Go(func() { drip(a, 3) })
		c, start := NewConn(b), time.Now()
		c.ReadEach(5 * time.Minute)
		_, err := NewReader(c).ReadLine(512)
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 17*time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestNoLimitTakesTheDeadlineAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		c := NewConn(b)
		c.ReadWithin(time.Minute)
		c.ReadEach(0)
		go drip(a, 1)
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("Read: %v", err)
		}
		c.WriteWithin(time.Minute)
		c.WriteEach(-1)
		go func() {
			time.Sleep(time.Hour)
			a.Read(make([]byte, 1))
		}()
		if _, err := c.Write([]byte{'x'}); err != nil {
			t.Errorf("Write: %v", err)
		}
	})
}

func TestWritesHaveDeadlinesToo(t *testing.T) {
	for _, each := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe() // nobody reads from a
			defer a.Close()
			defer b.Close()
			c, start := NewConn(b), time.Now()
			if each {
				c.WriteEach(time.Minute)
				time.Sleep(time.Hour)
				start = time.Now()
			} else {
				c.WriteWithin(time.Minute)
			}
			if _, err := c.Write([]byte{'x'}); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
				t.Errorf("each %v: got %v after %v", each, err, time.Since(start))
			}
		})
	}
}
