// os/node.h - the memory nodes of this machine, as libnuma knows them, in dense numbers.
//
// The kernel's node numbers may have holes. Everywhere in Apus a node is 0 to apus__node_count() - 1, in the order of the kernel's
// numbers; only os/ translates. The table is read once, at the first call, and any thread may call. A machine or sandbox without
// NUMA is one node, 0.
#ifndef APUS_OS_NODE_H
#define APUS_OS_NODE_H

unsigned apus__node_count(void); // at least 1

// Between our number and the kernel's; -1 if there is no such node.
int apus__node_to_kernel(int node);
int apus__node_from_kernel(int id);

// The node of a CPU (the kernel's number); 0 if the kernel does not say.
int apus__node_of_cpu(unsigned cpu);

// How far memory on `to` is from CPUs on `from`: 10 is local. 20 if the firmware does not say.
int apus__node_distance(int from, int to);

#endif
