// suite.hpp - the workloads of Benchmarks/WORKLOADS.md beyond the first set, for CAF.
#pragma once

#include <caf/all.hpp>

#include <string>

// Runs a workload and prints its line. False if CAF has no form of it here.
bool run_suite(caf::actor_system& system, const std::string& workload, int cores, double scale);
