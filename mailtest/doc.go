// Package mailtest tests mail servers and clients: a network in memory, and dialogues written as the RFCs write them.
package mailtest
