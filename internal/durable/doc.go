// Package durable makes folders that a power cut does not take away. A name in a
// folder is on stable storage once the folder is synced, and not before.
package durable
