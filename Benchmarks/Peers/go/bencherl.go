// bencherl's workloads: ehb, serialmsg, timer wheel, mbrot, orbit.
package main

import (
	"math"
	"time"
)

type ehbData struct{ words [13]int64 }

// One message: data, a question (from), or the end (neither).
type ehbMessage struct {
	data ehbData
	from chan bool
	kind int8 // 0 data, 1 question, 2 end
}

func ehb(scale float64) float64 {
	const groups, size, askEvery = 50, 20, 100
	loops := n(250, scale)
	messages := loops * groups * size * size
	data := ehbMessage{data: ehbData{[13]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1}}}
	sums := make(chan int64, groups*size)
	start := time.Now()
	for g := 0; g < groups; g++ {
		go func() {
			var receivers [size]chan ehbMessage
			for i := range receivers {
				box := make(chan ehbMessage, 128)
				receivers[i] = box
				go func() {
					received := int64(0)
					for ended := 0; ended < size; {
						m := <-box
						switch m.kind {
						case 0:
							received += m.data.words[12]
						case 1:
							m.from <- true
						default:
							ended++
						}
					}
					sums <- received
				}()
			}
			sendToAll := func(m ehbMessage) {
				for _, box := range receivers {
					box <- m
				}
			}
			for i := 0; i < size; i++ {
				go func() {
					left, answers := loops, make(chan bool, size)
					for ; left > askEvery; left -= askEvery {
						for k := 0; k < askEvery-1; k++ {
							sendToAll(data)
						}
						sendToAll(ehbMessage{from: answers, kind: 1})
						for _, box := range receivers {
							<-answers
							box <- data
						}
					}
					for ; left > 0; left-- {
						sendToAll(data)
					}
					sendToAll(ehbMessage{kind: 2})
				}()
			}
		}()
	}
	received := int64(0)
	for i := 0; i < groups*size; i++ {
		received += <-sums
	}
	value := perSecond(messages, start)
	check(received == int64(messages), "messages")
	return value
}

type serialMessage struct {
	to     chan *serialMessage
	values [2000]int64
}

func serialmsg(scale float64) float64 {
	const pairs = 100
	each := n(1000, scale)
	dispatcher, sums := make(chan *serialMessage, room), make(chan int64, pairs)
	go func() {
		for m := range dispatcher {
			m.to <- m
		}
	}()
	start := time.Now()
	for i := 0; i < pairs; i++ {
		box := make(chan *serialMessage, room)
		go func() {
			sum := int64(0)
			for k := 0; k < each; k++ {
				m := <-box
				sum += m.values[0] + m.values[len(m.values)-1]
			}
			sums <- sum
		}()
		go func() {
			for k := 0; k < each; k++ {
				m := &serialMessage{to: box}
				for j := range m.values {
					m.values[j] = int64(j + 1)
				}
				dispatcher <- m
			}
		}()
	}
	sum := int64(0)
	for i := 0; i < pairs; i++ {
		sum += <-sums
	}
	value := perSecond(pairs*each, start)
	check(sum == int64(pairs*each*2001), "sum of the ends")
	return value
}

func timerWheel(scale float64) float64 {
	const limit = 1073741824 * time.Millisecond
	total := max(2, int(1000*math.Sqrt(scale)+0.5))
	boxes := make([]chan int, total) // index of who pings, or -1: a pong
	for i := range boxes {
		boxes[i] = make(chan int, total+1)
	}
	gate, done := make(chan bool), make(chan int, total)
	for i := range boxes {
		go func() {
			<-gate
			answered := 0
			answer := func(from int) {
				boxes[from] <- -1
				answered++
			}
			for k := 1; k < total; k++ {
				boxes[(i+k)%total] <- i
				timer := time.NewTimer(limit)
				for pong := false; !pong; {
					select {
					case m := <-boxes[i]:
						if pong = m < 0; !pong {
							answer(m)
						}
					case <-timer.C:
						fail("time limit")
					}
				}
				timer.Stop()
			}
			for answered < total-1 {
				answer(<-boxes[i])
			}
			done <- answered
		}()
	}
	start := time.Now()
	close(gate)
	sum := 0
	for range boxes {
		sum += <-done
	}
	value := perSecond(2*sum, start)
	check(sum == total*(total-1), "answers")
	return value
}

func mandelbrot(side int) int {
	sum := 0
	for row := side; row > 0; row-- {
		for column := side; column > 0; column-- {
			x0, y0 := float64(column-1)/float64(side)*4-2, float64(row-1)/float64(side)*4-2
			x, y, i := x0, y0, 0
			for ; i < 255 && x*x+y*y <= 4; i++ {
				x, y = x*x-y*y+x0, 2*x*y+y0
			}
			sum += i
		}
	}
	return sum
}

func mbrot(scale float64) float64 {
	const side = 100
	workers := n(200, scale)
	done := make(chan int, workers)
	start := time.Now()
	for i := 0; i < workers; i++ {
		go func() { done <- mandelbrot(side) }()
	}
	sum := 0
	for i := 0; i < workers; i++ {
		sum += <-done
	}
	value := perSecond(workers*side*side, start)
	check(sum == workers*mandelbrot(side), "iterations")
	return value
}

func orbitFib(x int) int {
	if x < 2 {
		return 1
	}
	return orbitFib(x-1) + orbitFib(x-2)
}

func orbitImage(generator, space, x int) int {
	y := 0
	if generator == 0 {
		y = orbitFib(x%16) + x
	} else {
		y = orbitFib(x%16+10) - x*x*x + 8*x
	}
	if y < 0 {
		y = -y
	}
	return y % space
}

// A number, and how often the credit it has was halved. See orbit.c.
type orbitVertex struct{ number, halvings int }

func orbit(scale float64) float64 {
	const workers, generators = 100, 2
	space := n(700, scale)
	var boxes [workers]chan orbitVertex
	for i := range boxes {
		boxes[i] = make(chan orbitVertex, 2*space+2)
	}
	back, counts := make(chan int, room), make(chan int, workers)
	for i := range boxes {
		go func() {
			seen := make(map[int]bool)
			for vertex := range boxes[i] {
				if seen[vertex.number] {
					back <- vertex.halvings
					continue
				}
				seen[vertex.number] = true
				for generator := 0; generator < generators; generator++ {
					image := orbitImage(generator, space, vertex.number)
					boxes[image%workers] <- orbitVertex{image, vertex.halvings + 1}
				}
			}
			counts <- len(seen)
		}()
	}
	start := time.Now()
	boxes[0] <- orbitVertex{}
	credit := make([]bool, space+2)
	for !credit[0] {
		halvings := <-back
		for ; credit[halvings]; halvings-- {
			credit[halvings] = false
		}
		credit[halvings] = true
	}
	elapsed := time.Since(start).Seconds()
	reached := 0
	for _, box := range boxes {
		close(box)
	}
	for range boxes {
		reached += <-counts
	}
	queue, seen := []int{0}, map[int]bool{0: true}
	for i := 0; i < len(queue); i++ {
		for generator := 0; generator < generators; generator++ {
			if image := orbitImage(generator, space, queue[i]); !seen[image] {
				seen[image] = true
				queue = append(queue, image)
			}
		}
	}
	check(reached == len(queue), "size of the orbit")
	return float64(generators*reached+1) / elapsed
}
