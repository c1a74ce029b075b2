// Savina's workloads of messages: count, fork-join, thread ring, chameneos, dictionary, philosophers, barber, smokers, bank,
// bounded buffer. A mailbox is a channel. Where one could run full it holds 1,024, and its senders are held back; the others hold
// what can be outstanding.
package main

import (
	"math"
	"time"
)

const room = 1024

func perSecond(count int, since time.Time) float64 {
	return float64(count) / time.Since(since).Seconds()
}

func count(scale float64) float64 {
	total := n(1000000, scale)
	box, get, result := make(chan int, room), make(chan chan int), make(chan int)
	go func() {
		sum := 0
		for {
			select {
			case i := <-box:
				sum += i
			case reply := <-get:
				for len(box) > 0 {
					sum += <-box
				}
				reply <- sum
				return
			}
		}
	}()
	start := time.Now()
	go func() {
		for i := 0; i < total; i++ {
			box <- 1
		}
		get <- result
	}()
	counted := <-result
	value := perSecond(total, start)
	check(counted == total, "count")
	return value
}

func forkJoin(scale float64) float64 {
	const workers = 60
	each := n(10000, scale)
	done := make(chan int, workers)
	var boxes [workers]chan float64
	for i := range boxes {
		box := make(chan float64, room)
		boxes[i] = box
		go func() {
			sum := 0.0
			for k := 0; k < each; k++ {
				sine := math.Sin(<-box)
				sum += sine * sine
			}
			check(sum > 0, "sum of squares")
			done <- 1
		}()
	}
	start := time.Now()
	for k := 0; k < each; k++ {
		for _, box := range boxes {
			box <- 37.2
		}
	}
	sum := 0
	for range boxes {
		sum += <-done
	}
	value := perSecond(workers*each, start)
	check(sum == workers, "workers")
	return value
}

func forkCreate(scale float64) float64 {
	total := n(40000, scale)
	done := make(chan int, total)
	start := time.Now()
	for i := 0; i < total; i++ {
		box := make(chan float64, 1)
		go func() {
			sine := math.Sin(<-box)
			check(sine*sine > 0, "square")
			done <- 1
		}()
		box <- 37.2
	}
	sum := 0
	for i := 0; i < total; i++ {
		sum += <-done
	}
	value := perSecond(total, start)
	check(sum == total, "workers")
	return value
}

func threadRing(scale float64) float64 {
	const links = 100
	hops := n(100000, scale)
	var boxes [links]chan int
	for i := range boxes {
		boxes[i] = make(chan int, 1)
	}
	done := make(chan int)
	for i := range boxes {
		go func() {
			for left := range boxes[i] {
				if left > 0 {
					boxes[(i+1)%links] <- left - 1
				} else {
					done <- i
				}
			}
		}()
	}
	start := time.Now()
	boxes[0] <- hops
	last := <-done
	d := time.Since(start)
	check(last == hops%links, "where it ends")
	return ns(d) / float64(hops)
}

type chameneosMessage struct {
	kind   int // meet, change, stop, total
	colour int // or the total
	who    chan chameneosMessage
}

func chameneos(scale float64) float64 {
	const creatures, colours = 100, 3
	const meet, change, stop, total = 0, 1, 2, 3
	meetings := n(200000, scale)
	mall, done := make(chan chameneosMessage, creatures), make(chan int)
	go func() {
		left, sum, gone := meetings, 0, 0
		var waiting chan chameneosMessage
		for m := range mall {
			switch {
			case m.kind == total:
				sum += m.colour
				if gone++; gone == creatures {
					done <- sum
					return
				}
			case left == 0:
				m.who <- chameneosMessage{kind: stop}
			case waiting == nil:
				waiting = m.who
			default:
				waiting <- m
				waiting = nil
				left--
			}
		}
	}()
	start := time.Now()
	for i := 0; i < creatures; i++ {
		colour := i % colours
		go func() {
			// Two can be under way: the change of one meeting, and what the mall says to the next.
			box := make(chan chameneosMessage, 2)
			mall <- chameneosMessage{meet, colour, box}
			met := 0
			for m := range box {
				switch m.kind {
				case stop:
					mall <- chameneosMessage{kind: total, colour: met}
					return
				case meet:
					if colour != m.colour {
						colour = colours - colour - m.colour
					}
					m.who <- chameneosMessage{kind: change, colour: colour}
				default:
					colour = m.colour
				}
				met++
				mall <- chameneosMessage{meet, colour, box}
			}
		}()
	}
	sum := <-done
	value := perSecond(meetings, start)
	check(sum == 2*meetings, "two at each meeting")
	return value
}

type entry struct {
	key, value int
	writes     bool
	reply      chan entry
}

func dictionary(scale float64) float64 {
	const workers, writePercent, keys = 20, 10, 524287
	each := n(10000, scale)
	table := make(map[int]int, keys)
	for key := 0; key < keys; key++ {
		table[key] = key
	}
	requests, done := make(chan entry, workers), make(chan int, workers)
	go func() {
		for r := range requests {
			if r.writes {
				table[r.key] = r.value
			}
			r.reply <- entry{key: r.key, value: table[r.key]}
		}
	}()
	start := time.Now()
	for i := 1; i <= workers; i++ {
		go func() {
			seed, reply := random(i*7919), make(chan entry, 1)
			for k := 0; k < each; k++ {
				writes := seed.below(100) < writePercent
				key := int(seed.below(keys))
				requests <- entry{key, key + i*keys, writes, reply}
				answer := <-reply
				check(answer.value%keys == answer.key, "value of the key")
			}
			done <- i
		}()
	}
	sum := 0
	for i := 0; i < workers; i++ {
		sum += <-done
	}
	value := perSecond(workers*each, start)
	check(sum == workers*(workers+1)/2, "workers")
	return value
}

func philosophers(scale float64) float64 {
	const guests = 20
	rounds := n(10000, scale)
	type message struct {
		done   bool
		number int
	}
	var boxes [guests]chan bool
	for i := range boxes {
		boxes[i] = make(chan bool, 1)
	}
	arbiter, finished := make(chan message, 2*guests), make(chan int)
	go func() {
		var taken [guests]bool
		for meals := 0; meals < guests*rounds; {
			m := <-arbiter
			left, right := m.number, (m.number+1)%guests
			if m.done {
				check(taken[left] && taken[right], "forks are put back that were taken")
				taken[left], taken[right] = false, false
				meals++
				continue
			}
			free := !taken[left] && !taken[right]
			if free {
				taken[left], taken[right] = true, true
			}
			boxes[m.number] <- free
		}
		finished <- guests * rounds
	}()
	start := time.Now()
	for i := range boxes {
		go func() {
			for left := rounds; left > 0; {
				arbiter <- message{false, i}
				if <-boxes[i] {
					arbiter <- message{true, i}
					left--
				}
			}
		}()
	}
	meals := <-finished
	value := perSecond(meals, start)
	check(meals == guests*rounds, "meals")
	return value
}

func barber(scale float64) float64 {
	const seats, production, haircut = 1000, 1000, 1000
	const full, wait, begin, done = 0, 1, 2, 3
	haircuts := n(5000, scale)
	type customer chan int
	type toFactory struct {
		who  customer
		done bool
	}
	enter, next := make(chan customer, room), make(chan bool, 2)
	chair, factory := make(chan customer, 2), make(chan toFactory, room)
	go func() { // the waiting room
		var waiting []customer
		sleeps := true
		call := func() {
			if len(waiting) > 0 {
				chair <- waiting[0]
				waiting = waiting[1:]
			} else {
				chair <- nil
				sleeps = true
			}
		}
		for {
			select {
			case c := <-enter:
				if len(waiting) == seats {
					c <- full
				} else if waiting = append(waiting, c); sleeps {
					sleeps = false
					call()
				} else {
					c <- wait
				}
			case <-next:
				call()
			}
		}
	}()
	go func() { // the barber
		seed := random(4711)
		for c := range chair {
			if c != nil {
				c <- begin
				seed.spin(seed.below(haircut) + 10)
				c <- done
				next <- true
			}
		}
	}()
	start := time.Now()
	seed := random(88172645463325252)
	for i := 0; i < haircuts; i++ {
		c := make(customer, 4)
		go func() {
			for said := range c {
				if said == full {
					factory <- toFactory{c, false}
				} else if said == done {
					factory <- toFactory{c, true}
					return
				}
			}
		}()
		enter <- c
		seed.spin(seed.below(production) + 10)
	}
	cut := 0
	for cut < haircuts {
		m := <-factory
		if m.done {
			cut++
		} else {
			enter <- m.who
		}
	}
	value := perSecond(haircuts, start)
	check(cut == haircuts, "haircuts")
	return value
}

func smokers(scale float64) float64 {
	const count, period = 200, 1000
	rounds := n(1000, scale)
	started := make(chan int, 1)
	var boxes [count]chan uint64
	for i := range boxes {
		box := make(chan uint64, room)
		boxes[i] = box
		go func() {
			for steps := range box {
				started <- 1
				seed := random(1)
				seed.spin(steps)
			}
		}()
	}
	seed, sum := random(88172645463325252), 0
	start := time.Now()
	for i := 0; i < rounds; i++ {
		chosen := seed.below(count)
		boxes[chosen] <- seed.below(period) + 10
		sum += <-started
	}
	value := perSecond(rounds, start)
	check(sum == rounds, "rounds")
	return value
}

func bank(scale float64) float64 {
	const accounts = 1000
	transactions := n(50000, scale)
	type message struct {
		amount int
		to     int      // of a credit
		reply  chan int // of a debit or a question for the balance
		kind   int      // 0 credit, 1 debit, 2 balance
	}
	teller := make(chan int, transactions)
	var boxes [accounts]chan message
	for i := range boxes {
		boxes[i] = make(chan message, 64)
	}
	for i := range boxes {
		go func() {
			balance, answer := 0, make(chan int, 1)
			for m := range boxes[i] {
				switch m.kind {
				case 0:
					balance -= m.amount
					boxes[m.to] <- message{amount: m.amount, reply: answer, kind: 1}
					<-answer
					teller <- 1
				case 1:
					balance += m.amount
					m.reply <- 1
				default:
					m.reply <- balance
				}
			}
		}()
	}
	seed := random(88172645463325252)
	start := time.Now()
	for i := 0; i < transactions; i++ {
		from := seed.below(accounts / 10 * 8)
		to := from + 1 + seed.below(accounts-from-1)
		boxes[from] <- message{amount: int(seed.below(1000)), to: int(to)}
	}
	sum, money := 0, 0
	for i := 0; i < transactions; i++ {
		sum += <-teller
	}
	value := perSecond(transactions, start)
	check(sum == transactions, "transactions")
	answer := make(chan int, accounts)
	for _, box := range boxes {
		box <- message{reply: answer, kind: 2}
	}
	for range boxes {
		money += <-answer
	}
	check(money == 0, "no money is lost or made")
	return value
}

type bufferItem struct {
	number int
	data   float64
}

type bufferMessage struct {
	item     bufferItem
	producer chan bool
	consumer chan *bufferItem
}

func boundedBuffer(scale float64) float64 {
	const size, producers, consumers, cost = 50, 40, 40, 25
	each := n(1000, scale)
	total := producers * each
	work := func(start float64) float64 {
		seed := random(cost)
		for i := 0; i < cost*100; i++ {
			start += math.Log(float64(seed.next()>>11)/9007199254740992.0 + 0.01)
		}
		return start
	}
	manager, sums := make(chan bufferMessage, producers+consumers), make(chan int, consumers)
	go func() {
		var waiting []chan bool
		var ready []chan *bufferItem
		var items []bufferItem
		for due := total; due > 0 || len(ready) < consumers; {
			m := <-manager
			if m.producer != nil {
				if len(ready) > 0 {
					item := m.item
					ready[0] <- &item
					ready = ready[1:]
					due--
				} else {
					check(len(items) < size+producers, "the buffer is bounded")
					items = append(items, m.item)
				}
				if len(items) >= size-producers {
					waiting = append(waiting, m.producer)
				} else {
					m.producer <- true
				}
			} else if len(items) == 0 {
				ready = append(ready, m.consumer)
			} else {
				item := items[0]
				items = items[1:]
				m.consumer <- &item
				due--
				if len(waiting) > 0 {
					waiting[0] <- true
					waiting = waiting[1:]
				}
			}
		}
		for _, consumer := range ready {
			close(consumer)
		}
	}()
	start := time.Now()
	for i := 0; i < consumers; i++ {
		go func() {
			box, sum, data := make(chan *bufferItem, 1), 0, 0.0
			manager <- bufferMessage{consumer: box}
			for item := range box {
				data = work(item.data)
				sum += item.number
				manager <- bufferMessage{consumer: box}
			}
			check(!math.IsNaN(data) && !math.IsInf(data, 0), "data")
			sums <- sum
		}()
	}
	for i := 0; i < producers; i++ {
		go func() {
			box := make(chan bool, 1)
			box <- true
			for k := 0; k < each; k++ {
				<-box
				manager <- bufferMessage{item: bufferItem{i*each + k, work(0)}, producer: box}
			}
		}()
	}
	sum := 0
	for i := 0; i < consumers; i++ {
		sum += <-sums
	}
	value := perSecond(total, start)
	check(sum == total*(total-1)/2, "each item once")
	return value
}
