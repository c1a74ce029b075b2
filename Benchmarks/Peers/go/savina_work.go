// Savina's workloads that compute: N-queens, quicksort, matrix multiplication, sieve.
package main

import (
	"time"
)

type board struct {
	queens int
	column [15]int8
}

func (b *board) fits() bool {
	last := b.queens - 1
	column := int(b.column[last])
	for row := 0; row < last; row++ {
		other, rows := int(b.column[row]), last-row
		if other == column || other == column-rows || other == column+rows {
			return false
		}
	}
	return true
}

func (b *board) solutions(size int) int {
	if b.queens == size {
		return 1
	}
	found := 0
	b.queens++
	for column := 0; column < size; column++ {
		b.column[b.queens-1] = int8(column)
		if b.fits() {
			found += b.solutions(size)
		}
	}
	b.queens--
	return found
}

// What a worker says to its master: more work, or that a piece is done and what it has found.
type report[T any] struct {
	work  *T
	found int
}

// A master that hands work out to 20 workers in turn and takes back what they have, until nothing is outstanding.
func masterAndWorkers[T any](first T, work func(T, func(T)) int) int {
	const workers = 20
	master, done := make(chan report[T], 16384), make(chan int)
	var boxes [workers]chan T
	for i := range boxes {
		box := make(chan T, room)
		boxes[i] = box
		go func() {
			for piece := range box {
				found := work(piece, func(more T) { master <- report[T]{work: &more} })
				master <- report[T]{found: found}
			}
		}()
	}
	go func() {
		next, outstanding, sum := 0, 1, 0
		boxes[0] <- first
		for outstanding > 0 {
			m := <-master
			if m.work != nil {
				next++
				outstanding++
				boxes[next%workers] <- *m.work
			} else {
				outstanding--
				sum += m.found
			}
		}
		for _, box := range boxes {
			close(box)
		}
		done <- sum
	}()
	return <-done
}

func nqueens(scale float64) float64 {
	const size, threshold = 12, 4
	repetitions := n(1, scale)
	start := time.Now()
	for i := 0; i < repetitions; i++ {
		found := masterAndWorkers(board{}, func(b board, more func(board)) int {
			if b.queens >= threshold {
				return b.solutions(size)
			}
			b.queens++
			for column := 0; column < size; column++ {
				b.column[b.queens-1] = int8(column)
				if b.fits() {
					more(b)
				}
			}
			return 0
		})
		check(found == 14200, "solutions")
	}
	return time.Since(start).Seconds() / float64(repetitions)
}

// Splits at the value in the middle; the three parts lie one after the other.
func split(all []int64) (less, equal, greater []int64) {
	pivot := all[len(all)/2]
	smaller, same := 0, 0
	for _, v := range all {
		if v < pivot {
			smaller++
		} else if v == pivot {
			same++
		}
	}
	block := make([]int64, len(all))
	less, equal, greater = block[:smaller], block[smaller:smaller+same], block[smaller+same:]
	a, b, c := 0, 0, 0
	for _, v := range all {
		if v < pivot {
			less[a] = v
			a++
		} else if v == pivot {
			equal[b] = v
			b++
		} else {
			greater[c] = v
			c++
		}
	}
	return
}

func sortHere(all []int64) {
	if len(all) < 2 {
		return
	}
	less, equal, greater := split(all)
	sortHere(less)
	sortHere(greater)
	copy(all, less)
	copy(all[len(less):], equal)
	copy(all[len(less)+len(equal):], greater)
}

type sorted struct {
	values  []int64
	greater bool
}

func sorter(all []int64, greater bool, parent chan<- sorted) {
	if len(all) <= 2048 {
		sortHere(all)
		parent <- sorted{all, greater}
		return
	}
	less, equal, more := split(all)
	copy(all[len(less):], equal)
	box, parts := make(chan sorted, 2), 0
	for i, part := range [][]int64{less, more} {
		if len(part) > 0 {
			go sorter(append([]int64(nil), part...), i == 1, box)
			parts++
		}
	}
	for ; parts > 0; parts-- {
		part := <-box
		if part.greater {
			copy(all[len(all)-len(part.values):], part.values)
		} else {
			copy(all, part.values)
		}
	}
	parent <- sorted{all, greater}
}

func quicksort(scale float64) float64 {
	total := n(1000000, scale)
	seed, before, after := random(1024), int64(0), int64(0)
	values := make([]int64, total)
	for i := range values {
		values[i] = int64(seed.next() >> 4)
		before += values[i] % 1000003
	}
	done := make(chan sorted, 1)
	start := time.Now()
	go sorter(values, false, done)
	result := (<-done).values
	value := perSecond(total, start)
	check(len(result) == total, "length")
	for i, v := range result {
		check(i == 0 || result[i-1] <= v, "order")
		after += v % 1000003
	}
	check(before == after, "the same numbers")
	return value
}

type block struct{ row, column, size int }

func matmul(scale float64) float64 {
	side := 1024
	if scale < 1 {
		side = 256
	}
	a, b, c := make([]float64, side*side), make([]float64, side*side), make([]float64, side*side)
	for i := range a {
		a[i], b[i] = float64(i/side), float64(i%side)
		c[i] = 0 // written before the clock starts: as in all peers
	}
	start := time.Now()
	masterAndWorkers(block{0, 0, side}, func(p block, more func(block)) int {
		if p.size*p.size > 16384 {
			half := p.size / 2
			for quarter := 0; quarter < 4; quarter++ {
				more(block{p.row + quarter/2*half, p.column + quarter%2*half, half})
			}
			return 0
		}
		for i := p.row; i < p.row+p.size; i++ {
			out := c[i*side+p.column : i*side+p.column+p.size]
			for k := 0; k < side; k++ {
				x, in := a[i*side+k], b[k*side+p.column:k*side+p.column+p.size]
				for j := range out {
					out[j] += x * in[j]
				}
			}
		}
		return 0
	})
	value := perSecond(side*side*side, start)
	for i := range c {
		check(c[i] == float64(side*(i/side)*(i%side)), "product")
	}
	return value
}

// A number to be sieved, or the end with the primes found so far.
type sieveMessage struct {
	number int64
	end    bool
}

func filter(prime int64, box <-chan sieveMessage, done chan<- int64) {
	primes := []int64{prime}
	var next chan sieveMessage
	for m := range box {
		if m.end {
			found := m.number + int64(len(primes))
			if next == nil {
				done <- found
			} else {
				next <- sieveMessage{found, true}
			}
			return
		}
		isPrime := true
		for _, p := range primes {
			if m.number%p == 0 {
				isPrime = false
				break
			}
		}
		switch {
		case !isPrime:
		case len(primes) < 1000:
			primes = append(primes, m.number)
		case next == nil:
			next = make(chan sieveMessage, room)
			go filter(m.number, next, done)
		default:
			next <- m
		}
	}
}

func sieve(scale float64) float64 {
	limit := int64(max(10, n(100000, scale)))
	first, done := make(chan sieveMessage, room), make(chan int64)
	start := time.Now()
	go filter(2, first, done)
	for number := int64(3); number <= limit; number += 2 {
		first <- sieveMessage{number, false}
	}
	first <- sieveMessage{0, true}
	found := <-done
	value := perSecond(int(limit/2), start)
	composite, primes := make([]bool, limit+1), int64(0)
	for i := int64(2); i <= limit; i++ {
		if !composite[i] {
			primes++
			for k := i * i; k <= limit; k += i {
				composite[k] = true
			}
		}
	}
	check(found == primes, "primes")
	return value
}
