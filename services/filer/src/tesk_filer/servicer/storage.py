"""Implements StorageService, which the api calls."""

import grpc

from tesk.v1 import storage_service_pb2 as pb
from tesk.v1 import storage_service_pb2_grpc as pb_grpc
from tesk_filer.servicer.checks_wire import check_to_wire, locations_from_wire
from tesk_filer.usecases.location_checks import LocationChecks

SERVICE = "tesk.v1.StorageService"


class StorageServicer(pb_grpc.StorageServiceServicer):
    """See ``storage_service.proto``."""

    def __init__(self, checks: LocationChecks) -> None:
        self._checks = checks

    def CheckLocations(
        self, request: pb.CheckLocationsRequest, context: grpc.ServicerContext
    ) -> pb.CheckLocationsResponse:
        """Look at the places of a task."""
        found = self._checks.check(locations_from_wire(request))
        return pb.CheckLocationsResponse(checks=map(check_to_wire, found))

    def register(self, server: grpc.Server) -> None:
        """Add it to a server."""
        pb_grpc.add_StorageServiceServicer_to_server(self, server)
