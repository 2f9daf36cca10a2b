package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const (
	lines     = 3
	codeBits  = 24 // codes have seven digits
	priceBits = 24 // more than enough for every cap
)

// statement is statement.json. Generators and openings are there for kind "open-ours" only.
type statement struct {
	Version    int         `json:"version"`
	Kind       string      `json:"kind"`
	N          int         `json:"n"`
	Caps       []int64     `json:"caps"`
	Total      int64       `json:"total"`
	Sets       [][]int64   `json:"sets"`
	Witnesses  []witness   `json:"witnesses"`
	Generators *generators `json:"generators"`
}

// generators of the line commitments, compressed points in hexadecimal; J counts slots from 0.
type generators struct {
	H string   `json:"H"`
	J []string `json:"J"`
}

// witness of a statement; commitments and blindings, in hexadecimal, only where they are opened.
type witness struct {
	Codes       [lines]int64 `json:"codes"`
	Prices      [lines]int64 `json:"prices"`
	Commitments []string     `json:"commitments"`
	Blindings   []string     `json:"blindings"`
}

// readStatement reads the statement of a work folder; another shape than three lines is an error.
func readStatement(folder string) (*statement, error) {
	data, err := os.ReadFile(filepath.Join(folder, "statement.json"))
	if err != nil {
		return nil, err
	}
	var s statement
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("statement.json: %w", err)
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("statement.json is not of version 1")
	}
	if len(s.Sets) != lines || len(s.Caps) != lines {
		return nil, fmt.Errorf("statement.json does not have %d sets and caps", lines)
	}
	for _, set := range s.Sets {
		if len(set) == 0 {
			return nil, fmt.Errorf("statement.json has an empty set")
		}
		for _, code := range set {
			if code < 1 || code >= 1<<codeBits {
				return nil, fmt.Errorf("statement.json has a code of more than seven digits")
			}
		}
	}
	for _, limit := range append([]int64{s.Total}, s.Caps...) {
		if limit < 1 || limit >= 1<<priceBits {
			return nil, fmt.Errorf("statement.json has a cap that is too large")
		}
	}
	return &s, nil
}
