/* The results of happn test as text: TAP for people and machines, JUnit's XML for CI. */
#ifndef HAPPN_CLI_TEST_REPORT_H
#define HAPPN_CLI_TEST_REPORT_H

#include <stdio.h>

#include "happn/workshop.h"

/* One result in TAP 14; number counts from 1. */
void test_report_tap(FILE *out, const happn_test_result *result, size_t number);

/* XML is written result by result; the head has no totals, which readers of it do not need. */
void test_report_xml_begin(FILE *out);
void test_report_xml(FILE *out, const happn_test_result *result);
void test_report_xml_end(FILE *out);

#endif
