/*
 * latency - how long deliveries took: a histogram small enough to be kept for each hour
 *
 * Units    milliseconds
 * Context  any; pure
 *
 * Each bucket ends at a quarter more than the one before, from 1 ms to some six days: a quantile is
 * off by a tenth or so, and histograms are added by adding their buckets.
 */
#ifndef POSTERN_QUEUE_LATENCY_H
#define POSTERN_QUEUE_LATENCY_H

#include <stddef.h>
#include <stdint.h>

#define LATENCY_BUCKETS 90

/* The bucket that holds it; the last one holds whatever is longer. */
unsigned latency_bucket(uint64_t ms);
/* Below which so many of 100 lie, read off between the bucket's ends; 0 when there are none. */
uint64_t latency_percentile(const uint64_t counts[static LATENCY_BUCKETS], unsigned percent);

#endif
