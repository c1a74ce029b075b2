// Our own workloads: fan-in from threads, echo over sockets, sizes of messages, idle CPU, latency under load, a million at once.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Goroutines that are bound to threads of their own: the nearest that Go has to a thread that is not the runtime's.
func fanin(scale float64) float64 {
	const threads = 4
	each := n(500000, scale)
	box, done := make(chan int, room), make(chan int)
	go func() {
		sum := 0
		for i := 0; i < threads*each; i++ {
			sum += <-box
		}
		done <- sum
	}()
	start := time.Now()
	for t := 0; t < threads; t++ {
		go func() {
			runtime.LockOSThread()
			for i := 1; i <= each; i++ {
				box <- i
			}
		}()
	}
	sum := <-done
	value := perSecond(threads*each, start)
	check(sum == threads*(each*(each+1)/2), "sum")
	return value
}

func callThread(scale float64) float64 {
	calls := n(200000, scale)
	requests, done := make(chan request, 1), make(chan time.Duration)
	go func() {
		count := 0
		for r := range requests {
			count++
			r.reply <- count
		}
	}()
	go func() {
		runtime.LockOSThread()
		reply, last := make(chan int, 1), 0
		start := time.Now()
		for i := 0; i < calls; i++ {
			requests <- request{false, reply}
			last = <-reply
		}
		took := time.Since(start)
		check(last == calls, "last reply")
		done <- took
	}()
	return float64((<-done).Nanoseconds()) / float64(calls)
}

func serve(connection net.Conn) {
	buffer := make([]byte, 4096)
	for {
		got, err := connection.Read(buffer)
		if err != nil {
			connection.Close()
			return
		}
		_, err = connection.Write(buffer[:got])
		check(err == nil, "write")
	}
}

func echo(scale float64) float64 {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err == nil, "listen")
	go func() {
		for {
			connection, err := listener.Accept()
			check(err == nil, "accept")
			go serve(connection)
		}
	}()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	out, err := exec.Command(os.Getenv("BENCH_ECHO_CLIENT"), port, strconv.Itoa(n(100000, scale))).Output()
	check(err == nil, "the client's own check")
	value := 0.0
	scanner := bufio.NewScanner(strings.NewReader(string(out)))
	for scanner.Scan() {
		var connections int
		var rate, p50, p99 float64
		_, err := fmt.Sscan(scanner.Text(), &connections, &rate, &p50, &p99)
		check(err == nil, "the client's report")
		also(fmt.Sprintf("c%d", connections), rate, "round trips/s")
		also(fmt.Sprintf("c%d_p50", connections), p50, "us")
		also(fmt.Sprintf("c%d_p99", connections), p99, "us")
		if connections == 100 {
			value = rate
		}
	}
	return value
}

func sizes(size, messages int) func(float64) float64 {
	return func(scale float64) float64 {
		const window = 8
		total, words := n(messages, scale), size/8
		buffer := make([]int64, words)
		for i := range buffer {
			buffer[i] = int64(i + 1)
		}
		box, taken, done := make(chan []int64, window), make(chan int64, window), make(chan int64)
		go func() {
			for message := range box {
				sum := int64(0)
				for _, word := range message {
					sum += word
				}
				taken <- sum
			}
		}()
		start := time.Now()
		go func() {
			sum, sent := int64(0), 0
			send := func() {
				if sent < total {
					sent++
					box <- append([]int64(nil), buffer...)
				}
			}
			for i := 0; i < window; i++ {
				send()
			}
			for i := 0; i < total; i++ {
				sum += <-taken
				send()
			}
			done <- sum
		}()
		sum := <-done
		value := perSecond(total*size, start)
		check(sum == int64(total)*int64(words*(words+1)/2), "sum of all words")
		return value
	}
}

// Nanoseconds that all threads of this program have run, from the kernel's books: one system call, however many they are.
func cpuNs() int64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil, "CPU time")
	return used.Utime.Nano() + used.Stime.Nano()
}

func idleCPU(scale float64) float64 {
	const processes = 10000
	done := make(chan int, processes)
	var boxes [processes]chan int
	for i := range boxes {
		box := make(chan int, 1)
		boxes[i] = box
		go func() {
			for number := range box {
				done <- number
			}
		}()
		box <- 1
	}
	for range boxes {
		<-done
	}
	quiet := time.Duration(2 * scale * float64(time.Second))
	time.Sleep(min(50*time.Millisecond, quiet))
	start, before := time.Now(), cpuNs()
	time.Sleep(quiet)
	used := cpuNs() - before
	value := float64(used) / 1000 / time.Since(start).Seconds()
	for _, box := range boxes { // they are alive
		box <- 1
	}
	for range boxes {
		check(<-done == 1, "processes")
	}
	return value
}

func latency(scale float64) float64 {
	const pairs = 64
	var ends atomic.Bool
	for i := 0; i < pairs; i++ {
		a, b := make(chan int, 1), make(chan int, 1)
		load := func(in, out chan int) {
			for number := range in {
				if ends.Load() {
					return
				}
				out <- number + 1
			}
		}
		go load(a, b)
		go load(b, a)
		a <- 0
	}
	time.Sleep(20 * time.Millisecond)
	there, back, done := make(chan int, 1), make(chan int, 1), make(chan int)
	recorded = new(histogram)
	go func() {
		for number := range there {
			back <- number + 1
		}
	}()
	end := time.Now().Add(time.Duration(scale * float64(time.Second)))
	go func() {
		number := 0
		for now := time.Now(); now.Before(end); number++ {
			there <- number
			check(<-back == number+1, "reply")
			after := time.Now()
			recorded.record(after.Sub(now).Nanoseconds())
			now = after
		}
		done <- number
	}()
	check(<-done == recorded.total, "round trips")
	ends.Store(true)
	also("p50", recorded.us(0.5), "us")
	also("p99", recorded.us(0.99), "us")
	also("p999", recorded.us(0.999), "us")
	also("max", float64(recorded.most)/1000, "us")
	return recorded.us(0.99)
}

func million(scale float64) float64 {
	const hops, stride = 4, 7919
	total := n(1000000, scale)
	boxes, done := make([]chan int, total), make(chan int, room)
	for i := range boxes {
		boxes[i] = make(chan int, 1)
	}
	for i := range boxes {
		go func() {
			for left := range boxes[i] {
				if left > 0 {
					boxes[(i+stride)%total] <- left - 1
				} else {
					done <- i
				}
			}
		}()
	}
	start := time.Now()
	go func() {
		for _, box := range boxes {
			box <- hops
		}
	}()
	sum := 0
	for range boxes {
		sum += <-done
	}
	value := perSecond(total*(hops+2), start)
	check(sum == total*(total-1)/2, "each token once")
	return value
}
