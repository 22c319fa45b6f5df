#ifndef TOOLS_BENCH_REPORT_FAIRNESS_H
#define TOOLS_BENCH_REPORT_FAIRNESS_H

#include "tools/bench/fairness.h"

void report_fairness(const struct fairness_result *result);
void report_fairness_json(const struct fairness_result *result);

#endif
