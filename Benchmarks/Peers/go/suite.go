// The workloads of Benchmarks/WORKLOADS.md beyond the first set, and what they share. What Go has no form of (links, supervisors,
// selective receive) is not here: main exits 3 for it.
package main

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

type workload struct {
	unit string
	run  func(scale float64) float64
}

var suite = map[string]workload{
	"count":          {"msg/s", count},
	"fork_join":      {"msg/s", forkJoin},
	"fork_create":    {"spawn/s", forkCreate},
	"thread_ring":    {"ns/hop", threadRing},
	"chameneos":      {"meetings/s", chameneos},
	"dictionary":     {"requests/s", dictionary},
	"bounded_buffer": {"items/s", boundedBuffer},
	"philosophers":   {"meals/s", philosophers},
	"barber":         {"haircuts/s", barber},
	"smokers":        {"rounds/s", smokers},
	"bank":           {"transactions/s", bank},
	"nqueens":        {"s", nqueens},
	"quicksort":      {"values/s", quicksort},
	"matmul":         {"multiply-adds/s", matmul},
	"sieve":          {"numbers/s", sieve},
	"ehb":            {"msg/s", ehb},
	"serialmsg":      {"msg/s", serialmsg},
	"timer_wheel":    {"msg/s", timerWheel},
	"mbrot":          {"points/s", mbrot},
	"orbit":          {"vertices/s", orbit},
	"fanin":          {"msg/s", fanin},
	"call_thread":    {"ns/call", callThread},
	"echo":           {"round trips/s", echo},
	"size_64":        {"bytes/s", sizes(64, 1000000)},
	"size_1k":        {"bytes/s", sizes(1024, 500000)},
	"size_16k":       {"bytes/s", sizes(16384, 100000)},
	"size_256k":      {"bytes/s", sizes(262144, 10000)},
	"size_1m":        {"bytes/s", sizes(1048576, 2500)},
	"idle_cpu":       {"us of CPU in a second", idleCPU},
	"latency":        {"us", latency},
	"million":        {"msg/s", million},
}

// The generator that all peers use: xorshift, 64 bits. The seed must not be 0.
type random uint64

func (r *random) next() uint64 {
	x := uint64(*r)
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*r = random(x)
	return x
}

func (r *random) below(limit uint64) uint64 { return r.next() % limit }

func (r *random) spin(steps uint64) {
	for i := uint64(0); i < steps; i++ {
		r.next()
	}
	check(*r != 0, "spin")
}

// A further value of the run, printed after its own.
type metric struct {
	name  string
	value float64
	unit  string
}

var metrics []metric

func also(name string, value float64, unit string) {
	metrics = append(metrics, metric{name, value, unit})
}

// How often which time was seen: each power of two in 64 parts, as in the histogram of apus-c.
type histogram struct {
	counts [58 * 64]int
	total  int
	most   int64
}

func (h *histogram) record(ns int64) {
	bucket := ns
	if ns >= 64 {
		shift := 63 - bits.LeadingZeros64(uint64(ns)) - 6
		bucket = int64(shift+1)*64 + (ns >> shift) - 64
	}
	h.counts[bucket]++
	h.total++
	h.most = max(h.most, ns)
}

func upperOf(bucket int) int64 {
	if bucket < 64 {
		return int64(bucket)
	}
	return int64(bucket%64+65)<<(bucket/64-1) - 1
}

func (h *histogram) us(share float64) float64 {
	rank, seen := int(math.Ceil(float64(h.total)*share)), 0
	for i, c := range h.counts {
		seen += c
		if seen >= rank && seen > 0 {
			return float64(min(upperOf(i), h.most)) / 1000
		}
	}
	return float64(h.most) / 1000
}

// The histogram of the run, printed at its end if it has one.
var recorded *histogram

func printDetails(w string, cores int) {
	for _, m := range metrics {
		fmt.Printf("go,%s.%s,%d,%.4f,%s\n", w, m.name, cores, m.value, m.unit)
	}
	if recorded != nil {
		var pairs []string
		for i, c := range recorded.counts {
			if c > 0 {
				pairs = append(pairs, fmt.Sprintf("%d:%d", upperOf(i), c))
			}
		}
		fmt.Println("histogram," + strings.Join(pairs, " "))
	}
}
